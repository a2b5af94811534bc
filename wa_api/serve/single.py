"""One role in this very process: for containers and systemd, which restart by exit code."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from config.settings import WHATSAPP, Settings, WrongSetting
from wa_api.serve import roles
from wa_api.serve.child import Spec

#: Roles that can run on their own, and meet the others in Redis and the database.
ALONE = ("http", "sessions", "webhooks", "sandbox")


def become(settings: Settings, role: str, network: str | None) -> NoReturn:
    """Turn this process into the role; raises WrongSetting.

    Signals, output and the exit code are then the role's own: 0 after SIGTERM.
    """
    settings.prepare()
    spec = _spec(settings, role, network)
    sys.stdout.flush()
    os.execve(spec.argv[0], spec.argv, {**os.environ, **spec.env})  # noqa: S606 - no shell wanted


def _spec(settings: Settings, role: str, network: str | None) -> Spec:
    if role == "sandbox":
        return roles.sandbox({})
    for name, value in (
        ("WA_REDIS_URL", settings.redis.url),
        ("WA_DATABASE_URL", settings.database.url),
    ):
        if value is None:
            raise WrongSetting(f"{name}: must be set when a role runs on its own.")
    if role == "http":
        return roles.http_alone()
    if role == "webhooks":
        return roles.webhooks()
    name = network or WHATSAPP
    return roles.sessions(1, name, settings.network(name))
