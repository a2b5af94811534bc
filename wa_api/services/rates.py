"""How many requests callers and tenants may make per second, over all HTTP processes together.

The buckets are in Redis, so that a limit is the fleet's however the load balancer spreads a caller's
connections. But a process asks Redis only now and then: it takes some tokens at once (a twentieth of a
second's worth) and spends them within a second; and who has none waits until the time that Redis
said, without another question. Two processes may thus hold back a few tokens from each other, but no
token is spent twice. While Redis is away nobody is held back.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from math import ceil

from wa_api.bus.ports import Rates
from wa_api.domain.errors import TooManyRequests, Unavailable
from wa_api.services.tokens import Verified

BURST_SECONDS = 2.0
#: Tokens that a process takes at once, as a part of a second's; and for how long it keeps them.
_PART, _KEPT_SECONDS = 0.05, 1.0
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Standing:
    """What a caller has left: `quota` requests within `window` seconds, `left` of them."""

    name: str
    quota: int
    left: int
    wait: float = 0.0

    @property
    def headers(self) -> dict[str, str]:
        """As headers (draft-ietf-httpapi-ratelimit-headers)."""
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.quota};w={BURST_SECONDS:.0f}',
            "RateLimit": f'"{self.name}";r={self.left};t={ceil(self.wait)}',
        }


@dataclass(slots=True)
class _Bucket:
    """This process's part of one."""

    count: int = 0
    left: int = 0
    until: float = 0.0
    closed_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimits:
    """Counts requests."""

    def __init__(self, rates: Rates, caller: float = 0.0, tenant: float = 0.0) -> None:
        """The limits per second of who has no own; 0: none."""
        self._rates, self._caller, self._tenant = rates, caller, tenant
        self._known: OrderedDict[str, _Bucket] = OrderedDict()

    async def admit(self, verified: Verified) -> Standing | None:
        """Count one request; raises TooManyRequests. The caller's standing, None without a limit."""
        who, terms = verified.principal, verified.terms
        standing = None
        mine = self._caller if terms.per_second is None else terms.per_second
        if mine > 0:
            standing = await self._take("caller", who.subject, mine)
        tenants = self._tenant if terms.tenant_per_second is None else terms.tenant_per_second
        if tenants > 0 and who.tenant is not None:
            shared = await self._take("tenant", who.tenant, tenants)
            if standing is None or shared.left < standing.left:
                standing = shared
        return standing

    async def _take(self, kind: str, name: str, rate: float) -> Standing:
        bucket = self._bucket(f"{kind}:{name}")
        if bucket.count == 0 or bucket.until <= time.monotonic():
            async with bucket.lock:  # one question at a time; others find what it brought
                await self._fill(bucket, f"{kind}:{name}", rate)
        quota = _burst(rate)
        if bucket.count == 0:
            wait = max(0.0, bucket.closed_until - time.monotonic())
            raise TooManyRequests(
                f"This {kind} may make {rate:g} requests per second; slow down.",
                retry_after=max(1, ceil(wait)),
                standing=Standing(kind, quota, 0, wait),
            )
        bucket.count -= 1
        return Standing(kind, quota, bucket.left + bucket.count)

    async def _fill(self, bucket: _Bucket, name: str, rate: float) -> None:
        now = time.monotonic()
        if (bucket.count and bucket.until > now) or bucket.closed_until > now:
            return
        size = max(1, int(rate * _PART))
        try:
            taken = await self._rates.take(name, rate, _burst(rate), size)
        except Unavailable:
            bucket.count, bucket.left = max(1, int(rate)), 0
            bucket.until = now + _KEPT_SECONDS
            return
        bucket.count, bucket.left = taken.tokens, taken.left
        bucket.until = now + _KEPT_SECONDS
        bucket.closed_until = 0.0 if taken.tokens else time.monotonic() + taken.wait

    def _bucket(self, name: str) -> _Bucket:
        bucket = self._known.get(name)
        if bucket is None:
            bucket = self._known[name] = _Bucket()
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(name)
        return bucket


def _burst(rate: float) -> int:
    return max(1, round(rate * BURST_SECONDS))
