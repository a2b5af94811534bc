"""What `wa-api migrate` and `wa-api admin-token` do."""

from __future__ import annotations

import orjson

from config.settings import Settings, WrongSetting
from wa_api.domain.errors import Unavailable
from wa_api.serve.prepare import StartFailed
from wa_api.store import api_keys, logins, users
from wa_api.store.open import migrate, open_store
from wa_api.store.schema import StoreError

#: The purpose under which the HTTP processes redeem an administrator's one-time token.
_ADMIN = "admin"


async def bring_up_to_date(settings: Settings, *, first_token: bool, as_json: bool) -> str:
    """Migrate; with `first_token` also let the first administrator in, while there is none.

    Returns what to print. Raises StartFailed or WrongSetting.
    """
    try:
        applied = await migrate(settings.database_url)
        token = await _first_token(settings) if first_token else None
    except StoreError as error:
        raise WrongSetting(f"WA_DATABASE_URL: {error}") from None
    except Unavailable as error:
        raise StartFailed(f"WA_DATABASE_URL: {error.detail}") from None
    if as_json:
        return orjson.dumps({"applied": applied, "first_token": token}).decode()
    lines = [f"applied {name}" for name in applied] or ["The database is up to date."]
    return "\n".join([*lines, *([f"administrator's one-time token: {token}"] if token else [])])


async def _first_token(settings: Settings) -> str | None:
    async with open_store(settings.database_url, pool=1):
        if await users.list_users(None, limit=1) or await api_keys.list_keys(None, limit=1):
            return None
        return await _issue(settings)


async def new_admin_token(settings: Settings) -> str:
    """A fresh one-time token; earlier unused ones stop working."""
    async with open_store(settings.database_url, pool=1):
        return await _issue(settings)


async def _issue(settings: Settings) -> str:
    seconds = settings.auth.one_time_token_seconds
    return await logins.issue_one_time(_ADMIN, {}, seconds=seconds)
