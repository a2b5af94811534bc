"""Requests are counted with few questions to Redis, and nobody is held back while it is away."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest

from wa_api.bus.ports import Taken
from wa_api.domain.errors import AddressNotAllowed, TooManyRequests, Unavailable
from wa_api.domain.ids import TenantId
from wa_api.domain.principals import Principal
from wa_api.services.rates import RateLimits
from wa_api.services.tokens import Terms, Verified


@dataclass
class Buckets:
    """Buckets that never fill again; notes each question."""

    left: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    away: bool = False

    async def take(self, name: str, per_second: float, burst: float, wanted: int) -> Taken:
        self.asked.append(name)
        if self.away:
            raise Unavailable
        left = self.left.get(name, int(burst))
        tokens = min(left, wanted)
        self.left[name] = left - tokens
        return Taken(tokens, left - tokens, 0.0 if left > tokens else 30.0)


def caller(subject: str = "key_1", terms: Terms | None = None) -> Verified:
    """Somebody of a tenant."""
    principal = Principal(TenantId("ten_1"), subject, frozenset(), subject)
    return Verified(principal, terms=terms or Terms())


async def admitted(limits: RateLimits, who: Verified, most: int = 1000) -> int:
    """How many requests get through."""
    for n in range(most):
        try:
            await limits.admit(who)
        except TooManyRequests:
            return n
    return most


async def test_without_limits_nothing_is_counted():
    """The way that every request takes where no limit is set."""
    buckets = Buckets()
    assert await RateLimits(buckets).admit(caller()) is None
    assert buckets.asked == []


async def test_a_burst_gets_through_with_few_questions():
    """Two seconds' worth; then the answer is known without asking again."""
    buckets = Buckets()
    limits = RateLimits(buckets, caller=100)
    assert await admitted(limits, caller()) == 200
    assert len(buckets.asked) == 200 / 5 + 1
    with pytest.raises(TooManyRequests) as refused:
        await limits.admit(caller())
    assert 28 <= refused.value.facts["retry_after"] <= 30
    assert refused.value.facts["standing"].headers["RateLimit"].startswith('"caller";r=0;t=')
    assert len(buckets.asked) == 200 / 5 + 1
    assert await limits.admit(caller("key_2")) is not None


async def test_what_is_left_is_said():
    """The tokens that are here count too."""
    standing = await RateLimits(Buckets(), caller=100).admit(caller())
    assert standing is not None
    assert standing.headers == {
        "RateLimit-Policy": '"caller";q=200;w=2',
        "RateLimit": '"caller";r=199;t=0',
    }


async def test_own_limits_replace_the_platforms():
    """A key's, and a tenant's for all its callers together."""
    buckets = Buckets()
    limits = RateLimits(buckets, caller=1000, tenant=1000)
    assert await admitted(limits, caller(terms=Terms(per_second=5))) == 10
    terms = Terms(tenant_per_second=20)
    both = RateLimits(Buckets(), caller=1000)
    assert await admitted(both, caller("key_3", terms)) == 40
    assert await admitted(both, caller("key_4", terms)) == 0


async def test_nobody_is_held_back_while_redis_is_away():
    """It is asked again a second later, not with every request."""
    buckets = Buckets(away=True)
    limits = RateLimits(buckets, caller=50)
    assert await admitted(limits, caller(), most=50) == 50
    assert len(buckets.asked) == 1


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("203.0.113.7", True),
        ("::ffff:203.0.113.7", True),
        ("203.0.113.8", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_a_key_is_good_from_its_networks_only(address: str, allowed: bool):
    """IPv4 also where it comes wrapped; from nowhere is from elsewhere."""
    terms = Terms(networks=(ip_network("203.0.113.7/32"), ip_network("2001:db8::/32")))
    Terms().check(address)
    if allowed:
        terms.check(address)
    else:
        with pytest.raises(AddressNotAllowed):
            terms.check(address)
