"""When it is tried again, and when an endpoint is left alone."""

from __future__ import annotations

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from config.groups import Webhooks
from wa_api.domain.events import ChatTyping, MessageStatusChanged, cursor_of, encode_tail, event
from wa_api.domain.messages import Address, Status
from wa_api.readers import Entry
from workers.webhooks.endpoint import retry_after
from workers.webhooks.lanes import Item, Lanes
from workers.webhooks.lanes_of import lane_of
from workers.webhooks.patience import Breaker, Schedule
from workers.webhooks.signing import Signer


def test_the_default_schedule_takes_about_three_days_and_ends():
    """Each wait is about as set, the sum is some three days, and then there are no more."""
    seconds = Webhooks().schedule
    schedule = Schedule(seconds)
    for attempt, wanted in enumerate(seconds, 1):
        wait = schedule.after(attempt)
        assert wait is not None
        assert 0.85 * wanted <= wait <= 1.15 * wanted
    assert schedule.after(len(seconds) + 1) is None
    assert 3 * 86_400 < sum(seconds) < 3.5 * 86_400


def test_one_bad_chat_does_not_open_the_breaker():
    """Only different chats in a row speak against the endpoint."""
    breaker = Breaker(threshold=3)
    for _ in range(20):
        breaker.failure(1.0, "a")
    assert breaker.allows(1.0, 5)
    breaker.failure(1.0, "b")
    breaker.success()
    breaker.failure(1.0, "a")
    breaker.failure(1.0, "b")
    assert not breaker.open


def test_an_open_breaker_looks_now_and_then_ever_more_rarely():
    """One request at a time, after growing waits, until one succeeds."""
    breaker = Breaker(threshold=2, first=10, most=30)
    breaker.failure(0.5, "a")
    breaker.failure(0.5, "b")
    breaker.failure(0.6, "c")  # was under way when it opened: no news
    assert not breaker.allows(8.0, 0)
    assert 9 <= breaker.until <= 12.5
    assert breaker.allows(13.0, 0)
    assert not breaker.allows(13.0, 1)
    waits = []
    for _ in range(4):
        now = breaker.until
        breaker.failure(now, "a")
        waits.append(breaker.until - now)
    assert waits[0] > 16
    assert all(25 <= wait <= 35 for wait in waits[1:])
    assert breaker.success()
    assert breaker.allows(13.0, 99)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("999999999", 86_400.0),
        ("-5", None),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None):
    """Both forms are understood, bounded by a day; nonsense is ignored."""
    assert retry_after(value, now=10.0) == seconds


def test_both_secrets_sign_while_they_overlap():
    """During a rotation old and new secret verify; afterwards only the new one does."""
    import time

    now = time.time()
    old, new = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8
    signer = Signer([(new, None), (old, now + 10)])
    both = signer.headers("1", b'{"a":1}', now)
    assert Webhook(old).verify(b'{"a":1}', both) == {"a": 1}
    assert Webhook(new).verify(b'{"a":1}', both) == {"a": 1}
    only = signer.headers("1", b'{"a":1}', now + 11)
    assert Webhook(new).verify(b'{"a":1}', only)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(b'{"a":1}', only)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(b'{"a":2}', both)


def entry(data: object) -> Entry:
    """An event of session s1 as a reader gets it."""
    tail = encode_tail(event("t", "s1", data))  # type: ignore[arg-type]
    return Entry(int(cursor_of("1-1")), "s1", "x", b'{"id":"1",' + tail)


def test_events_of_one_chat_share_a_lane():
    """Whatever kind of event it is, its chat decides."""
    chat = Address(id="a@s.whatsapp.net")
    typing = entry(ChatTyping(chat=chat, sender=chat, state="typing"))
    status = entry(MessageStatusChanged(id="m", chat=chat, status=Status.SENT, time="t"))
    assert lane_of(typing) == lane_of(status) == "s1|a@s.whatsapp.net"
    assert lane_of(Entry(1, None, "log.gap", b'{"data":{"after":"1"}}')) == "-"


def item(cursor: int, lane: str = "a") -> Item:
    """A fresh event."""
    return Item(cursor, lane, None, "t", b"{}")


def test_the_cursor_never_passes_what_is_under_way():
    """It is the last event before the first one that is neither delivered nor kept."""
    lanes = Lanes(10)
    for n, lane in ((11, "a"), (12, "b"), (13, "a")):
        lanes.add(item(n, lane))
    (a, [first]), (b, [second]) = lanes.take(1)[0], lanes.take(1)[0]
    assert lanes.take(1) == []
    lanes.done(b, [second])
    assert lanes.cursor(13) == 10
    lanes.done(a, [first])
    assert lanes.cursor(13) == 12
    (a, [third]) = lanes.take(1)[0]
    lanes.keep([third])
    assert lanes.cursor(14) == 14
    assert lanes.fresh == 0


def test_kept_events_come_before_newer_ones_of_their_lane():
    """Order in a lane is by cursor, however the events got there; none is there twice."""
    lanes = Lanes(0)
    for n in (5, 3, 3):
        kept = item(n)
        kept.kept = True
        lanes.add(kept)
    seen = []
    while job := lanes.take(10):
        lane, items = job[0]
        seen += [one.cursor for one in items]
        lanes.done(lane, items)
    assert seen == [3, 5]
