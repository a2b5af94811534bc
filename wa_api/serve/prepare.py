"""What must be there before the roles start: Redis, and a migrated database."""

from __future__ import annotations

import asyncio
import sys

import orjson

#: Seconds that migrations may take at a start. Longer ones: `wa-api migrate` beforehand.
_MIGRATION_LIMIT = 600.0


class StartFailed(Exception):
    """The gateway could not start; the text is a sentence for the person who started it."""


async def prepare_database() -> str | None:
    """Migrate in a process of its own, so that this one never loads the database's libraries.

    Returns the first administrator's one-time token when there is no administrator yet.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wa_api", "migrate", "--first-token", "--json",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_MIGRATION_LIMIT):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()  # closes the pipe, which would complain on its own
    if process.returncode:
        # It has said why on standard error.
        raise StartFailed("The database could not be prepared (see above).")
    token: str | None = orjson.loads(output)["first_token"]
    return token
