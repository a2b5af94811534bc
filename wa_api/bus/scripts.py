"""Atomic steps: the files in `lua/`, run by their hash."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from wa_api.bus.client import Redis
from wa_api.bus.wire import Part, ReplyError


class Script:
    """One file of `lua/`. All keys of a call must share a hash tag (renewals excepted)."""

    def __init__(self, name: str) -> None:
        self._source = (files(__package__) / "lua" / f"{name}.lua").read_bytes()
        self._hash = sha1(self._source, usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: Sequence[str], *args: Part) -> Any:
        """The script's result."""
        try:
            return await redis.execute(keys[0], "EVALSHA", self._hash, len(keys), *keys, *args)
        except ReplyError as refusal:
            if not str(refusal).startswith("NOSCRIPT"):
                raise
        return await redis.execute(keys[0], "EVAL", self._source, len(keys), *keys, *args)
