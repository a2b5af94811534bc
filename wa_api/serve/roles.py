"""Which processes a gateway consists of, and how each is started."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from config.settings import SANDBOX, Network, Settings
from wa_api.serve.child import Spec

_PYTHON = (sys.executable, "-m")


def http(number: int, fd: int) -> Spec:
    """An HTTP worker on the shared listening socket."""
    argv = (*_PYTHON, "wa_api", "http", "--fd", str(fd))
    return Spec(name=f"http-{number}", role="http", argv=argv, fds=(fd,))


def http_alone() -> Spec:
    """An HTTP worker with a listening socket of its own."""
    return Spec(name="http", role="http", argv=(*_PYTHON, "wa_api", "http"))


def sessions(number: int, name: str, network: Network) -> Spec:
    """A session worker of one network."""
    argv = (*_PYTHON, "workers", "sessions", "--network", name)
    env = session_environment(name, network)
    return Spec(name=f"sessions-{name}-{number}", role="sessions", argv=argv, env=env)


def webhooks() -> Spec:
    """The reader of the event log: archive, webhooks."""
    return Spec(name="webhooks", role="webhooks", argv=(*_PYTHON, "workers", "webhooks"))


def sandbox(env: Mapping[str, str]) -> Spec:
    """The network without phones."""
    argv = (*_PYTHON, "workers", "sandbox")
    return Spec(name="sandbox", role="sandbox", argv=argv, env=env)


def session_environment(name: str, network: Network) -> dict[str, str]:
    """What must be in a session worker's environment before it is executed.

    The Go runtime reads both only at its start: GOMAXPROCS=1 because parallel goroutines crash the
    engine ("concurrent map writes"), SSL_CERT_FILE to trust a network's own authority.
    """
    env = {"GOMAXPROCS": "1"}
    if network.ca_file is not None:
        env["SSL_CERT_FILE"] = str(Path(network.ca_file).absolute())
    prefix = f"WA_NETWORKS__{name.upper()}__"
    for field, value in network.model_dump(exclude_none=True).items():
        env[prefix + field.upper()] = str(value)
    return env


def runs_sandbox(settings: Settings) -> bool:
    """Whether the sandbox is ours to run, not a foreign one that the settings name."""
    return settings.sandbox.enabled and SANDBOX not in settings.networks


def networks_at_once(settings: Settings) -> list[str]:
    """Networks whose session workers need not wait for our sandbox."""
    later = {SANDBOX} if runs_sandbox(settings) else set()
    return [name for name in settings.served_networks() if name not in later]
