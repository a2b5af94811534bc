"""URLs say where Redis is; a wrong one is refused with a sentence."""

from __future__ import annotations

import asyncio

import pytest

from wa_api.bus import connect
from wa_api.bus.connect import Master, parse_url, tls_context
from wa_api.domain.errors import Unavailable

GOOD = {
    "redis://localhost": ("plain", (("localhost", 6379),), 0),
    "redis://127.0.0.1:6380/2": ("plain", (("127.0.0.1", 6380),), 2),
    "redis://h?db=4": ("plain", (("h", 6379),), 4),
    "redis://[::1]:7000": ("plain", (("::1", 7000),), 0),
    "unix:///run/my%20redis.sock?db=1": ("plain", (("/run/my redis.sock", 0),), 1),
    "redis+sentinel://a,b:1/main/5": ("sentinel", (("a", 26379), ("b", 1)), 5),
    "redis+cluster://a:1,b": ("cluster", (("a", 1), ("b", 6379)), 0),
    "rediss+cluster://a": ("cluster", (("a", 6379),), 0),
}

BAD = [
    "",
    "localhost:6379",
    "http://localhost",
    "redis://",
    "redis://a:port",
    "redis://a/b",
    "redis://a/1/2",
    "redis://a?colour=red",
    "unix://relative",
    "unix+cluster:///a",
    "redis+sentinel://a",
    "redis+sentinel://a/",
    "redis+cluster://a/3",
    "redis+cluster://a,,b",
]


@pytest.mark.parametrize(("url", "said"), GOOD.items())
def test_a_url_says_where_redis_is(url: str, said: tuple[object, ...]):
    """Kind, addresses and database."""
    target = parse_url(url)
    assert (target.kind, target.addresses, target.db) == said


@pytest.mark.parametrize("url", BAD)
def test_a_wrong_url_is_refused(url: str):
    """Not guessed at."""
    with pytest.raises(ValueError, match=r"must|has"):
        parse_url(url)


def test_names_and_passwords_are_decoded_and_not_shown():
    """They may hold any character, and stay out of logs."""
    target = parse_url("redis+sentinel://us%3Aer:p%40ss@a/main?sentinel_password=t0p")
    assert (target.username, target.password, target.service) == ("us:er", "p@ss", "main")
    assert "p@ss" not in repr(target)
    assert "t0p" not in repr(target)


def test_a_password_alone_is_enough():
    """The default user."""
    target = parse_url("rediss://:word@a")
    assert (target.username, target.password, target.tls) == ("", "word", True)


def test_tls_verifies_unless_told_otherwise():
    """Safe by default; plain URLs have none."""
    assert tls_context(parse_url("redis://a")) is None
    context = tls_context(parse_url("rediss://a"))
    assert context is not None
    assert context.check_hostname
    context = tls_context(parse_url("rediss://a?ssl_check_hostname=false"))
    assert context is not None
    assert not context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"


class Wire:
    """A connection that only knows whether it is open."""

    open = True

    def abort(self) -> None:
        self.open = False


class Wires:
    """Opens such connections."""

    async def connect(self, address: object, on_push: object) -> Wire:
        return Wire()


async def test_a_master_that_was_replaced_is_left(monkeypatch: pytest.MonkeyPatch):
    """It may live on and take writes that are lost; Sentinels that say nothing change nothing."""
    monkeypatch.setattr(connect, "_WATCH_SECONDS", 0.001)
    answers: list[object] = [("a", 1)]

    async def find() -> object:
        if answers[-1] is None:
            raise Unavailable
        return answers[-1]

    master = Master(Wires(), find)
    first = await master.dial(print)
    watching = asyncio.create_task(master.watch())
    answers.append(None)
    await asyncio.sleep(0.02)
    assert first.open
    answers.append(("b", 2))
    async with asyncio.timeout(60):
        while first.open:
            await asyncio.sleep(0.001)
    second = await master.dial(print)
    await asyncio.sleep(0.02)
    assert second.open
    watching.cancel()
