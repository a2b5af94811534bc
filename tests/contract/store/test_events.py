"""The archived log: every entry once, in order, until its time is over."""

from __future__ import annotations

import pytest

from wa_api.domain.events import Cursor
from wa_api.domain.ids import SessionId, TenantId
from wa_api.store import events, tenants
from wa_api.store.events import Archived
from wa_api.store.rows import LogState


def cursor(ms: int, counter: int = 0) -> Cursor:
    """The cursor of an entry of that millisecond."""
    return Cursor(str(ms << 20 | counter))


def entry(ms: int, kind: str = "message.received", session: str | None = "ses_1") -> Archived:
    """An entry with a tail that is not text."""
    return Archived(cursor(ms), session, kind, b'"type":"x"}\x00\xff')


@pytest.fixture
async def log(tenant: TenantId) -> list[Archived]:
    """Four archived entries, one second apart."""
    kept = [
        entry(1000),
        entry(2000, "session.qr_issued", None),
        entry(3000, session="ses_2"),
        entry(4000),
    ]
    await events.archive(tenant, kept[-1].cursor, kept)
    return kept


async def test_entries_come_back_as_they_were(tenant: TenantId, log: list[Archived]):
    """From any cursor, in order, byte by byte."""
    assert await events.read(tenant, None, 10) == log
    assert await events.read(tenant, log[1].cursor, 1) == [log[2]]


async def test_archiving_again_changes_nothing(tenant: TenantId, log: list[Archived]):
    """An archiver that died before it noted its progress repeats itself harmlessly."""
    await events.archive(tenant, log[1].cursor, log[:2])
    assert await events.read(tenant, None, 10) == log
    last = int(log[-1].cursor)
    assert await events.log_state(tenant) == LogState(last, "", last, 0)


async def test_filters_narrow_the_reading(tenant: TenantId, log: list[Archived]):
    """Type, session and time, alone and together."""
    assert await events.read(tenant, None, 10, types=["session.qr_issued", "x"]) == [log[1]]
    assert await events.read(tenant, None, 10, sessions=["ses_1"]) == [log[0], log[3]]
    assert await events.read(tenant, None, 10, since=2.0, until=4.0) == log[1:3]
    assert await events.read(tenant, log[0].cursor, 10, since=0.5, sessions=["ses_1"]) == [log[3]]


async def test_events_are_found_by_their_message(tenant: TenantId):
    """Whether the message is in the event or only named; other events have no subject."""
    tails = {
        "message.received": b'"type":"message.received","data":{"message":{"id":"msg_1","x":1}}}',
        "message.status_changed": b'"data":{"id":"msg_1","status":"read"}}',
        "message.accepted": b'"data":{"message":{"id":"msg_2"}}}',
        "webhook.paused": b'"data":{"id":"msg_1"}}',
        "message.strange": b'"data":[]}',
    }
    kept = [
        Archived(cursor(1000 + n), "ses_1", kind, tail)
        for n, (kind, tail) in enumerate(tails.items())
    ]
    await events.archive(tenant, kept[-1].cursor, kept)
    assert await events.read(tenant, None, 10, subject="msg_1") == kept[:2]
    assert await events.read(tenant, None, 10, subject="msg_2") == kept[2:3]
    other = (await tenants.create("B")).id
    assert await events.read(other, None, 10, subject="msg_1") == []


async def test_the_newest_arrival_says_how_far_readers_were_told(tenant: TenantId):
    """Of one session, and only of its messages' coming, within the time that is asked for."""
    names = {
        "msg_1": "message.received",
        "msg_2": "message.synced",
        "msg_3": "message.status_changed",
    }
    kept = [
        Archived(cursor(1000 + n), "ses_1", kind, b'"data":{"message":{"id":"%b"}}}' % id.encode())
        for n, (id, kind) in enumerate(names.items())
    ]
    await events.archive(tenant, kept[-1].cursor, kept)
    mine, other = SessionId("ses_1"), SessionId("ses_2")
    assert await events.newest_arrival(tenant, mine, 0.5) == "msg_2"
    assert await events.newest_arrival(tenant, mine, 2.0) is None
    assert await events.newest_arrival(tenant, other, 0.5) is None


async def test_another_tenant_reads_nothing(log: list[Archived]):
    """Logs are apart, also their equal cursors."""
    other = (await tenants.create("B")).id
    assert await events.read(other, None, 10) == []
    await events.archive(other, log[0].cursor, log[:1])
    assert len(await events.read(other, None, 10)) == 1


async def test_old_entries_go_in_steps(tenant: TenantId, log: list[Archived]):
    """Retention removes the oldest first, a bounded number at a time, and keeps the state."""
    assert await events.retain(tenant, 3.5, limit=2) == 2
    assert (await events.log_state(tenant)).forgotten == int(log[1].cursor)
    assert await events.read(tenant, None, 10) == log[2:]
    assert await events.retain(tenant, 3.5, limit=2) == 1
    assert await events.retain(tenant, 3.5) == 0
    assert (await events.log_state(tenant)).archived == int(log[-1].cursor)


async def test_the_floor_only_grows(tenant: TenantId):
    """A log that was lost starts above everything that was ever given out."""
    assert await events.log_state(tenant) == LogState(0, "", 0, 0)
    assert await events.floor(tenant) == "0"
    await events.raise_floor(tenant, cursor(5000))
    await events.raise_floor(tenant, cursor(4000))
    await events.note_generation(tenant, "a1")
    assert await events.log_state(tenant) == LogState(0, "a1", int(cursor(5000)), 0)
    assert await events.floor(tenant) == cursor(5000)
    await events.archive(tenant, cursor(6000), [])
    assert await events.log_state(tenant) == LogState(int(cursor(6000)), "a1", int(cursor(6000)), 0)
