"""Token buckets that all processes share."""

from __future__ import annotations

from wa_api.bus.client import Redis
from wa_api.bus.keys import Keys
from wa_api.bus.ports import Taken
from wa_api.bus.scripts import Script

_take = Script("take")


class RedisRates:
    """See ports.Rates."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis, self._keys = redis, keys

    async def take(self, name: str, per_second: float, burst: float, wanted: int) -> Taken:
        """See ports.Rates."""
        keys = [self._keys.rate(name)]
        tokens, left, wait = await _take.run(self._redis, keys, per_second, burst, wanted)
        return Taken(tokens, left, wait / 1000)
