"""The queue of a session: what waits, in batches, for later, taken back once."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.contract.store.conftest import lease_on
from tests.contract.store.test_messages import ALICE, accepted, arrived, new, sent
from wa_api.domain.errors import Fenced, IdempotencyConflict, QueueFull, SessionNotFound
from wa_api.domain.ids import MessageId, SessionId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import Status
from wa_api.domain.pacing import Pacing
from wa_api.store import batches, fleet, messages, numbers, queue, running, sessions, tenants
from wa_api.store.batches import Item
from wa_api.store.rows import Accepted, Outgoing, SessionRow

BOB = "5511999990002@s.whatsapp.net"


async def batch(session: SessionRow, *items: Item, most: int = 1000) -> list[batches.Outcome]:
    """Accept them."""
    return await batches.accept_batch(session.tenant, session.id, items, most=most)


def ids(outcomes: list[batches.Outcome]) -> list[str]:
    """Of those that were accepted."""
    return [one.view.id for one in outcomes if isinstance(one, Accepted)]


async def test_what_belongs_together_is_kept_together(session: SessionRow):
    """In order, under the key of the first; a repeat gives that one and makes nothing."""
    tenant, id = session.tenant, session.id
    several = [new(session, str(n)) for n in range(3)]
    made, fresh = await batches.accept_together(tenant, id, several, "k", "same")
    waiting = await queue.list_waiting(tenant, id)
    assert (fresh, [one.id for one in waiting]) == (True, [one.id for one in made])
    again, fresh = await batches.accept_together(tenant, id, several, "k", "same")
    assert (fresh, [one.id for one in again]) == (False, [made[0].id])
    with pytest.raises(IdempotencyConflict):
        await batches.accept_together(tenant, id, several, "k", "other")
    with pytest.raises(SessionNotFound):
        await batches.accept_together(tenant, SessionId("ses_none"), several, "new", "same")
    assert len(await queue.list_waiting(tenant, id)) == 3


async def test_a_batch_is_rows_in_order(session: SessionRow):
    """Each with an id, read as it was answered."""
    outcomes = await batch(session, *(Item(new(session, str(n))) for n in range(5)))
    waiting = await queue.list_waiting(session.tenant, session.id)
    assert [one.id for one in waiting] == ids(outcomes)
    for one in outcomes:
        assert isinstance(one, Accepted)
        assert one.fresh
        assert one.view == await messages.get(session.tenant, MessageId(one.view.id))


async def test_a_repeated_batch_gives_the_same_messages(session: SessionRow):
    """Also the part of it that is new; another request under a key is refused alone."""
    items = [Item(new(session, str(n)), f"k{n}", "same") for n in range(3)]
    first = await batch(session, *items)
    again = await batch(session, *items, Item(new(session), "k3", "same"))
    assert ids(again)[:3] == ids(first)
    assert [one.fresh for one in again if isinstance(one, Accepted)] == [False] * 3 + [True]
    (conflict, fine) = await batch(session, Item(new(session), "k0", "other"), Item(new(session)))
    assert isinstance(conflict, IdempotencyConflict)
    assert isinstance(fine, Accepted)
    assert len(await messages.list_messages(session.tenant, session.id)) == 5


async def test_a_key_twice_in_one_batch_is_one_message(session: SessionRow):
    """The second is a repeat of the first, or a conflict."""
    one, same, other = await batch(
        session,
        Item(new(session), "k", "a"),
        Item(new(session), "k", "a"),
        Item(new(session), "k", "b"),
    )
    assert isinstance(same, Accepted)
    assert ids([one]) == ids([same])
    assert isinstance(other, IdempotencyConflict)


async def test_equal_batches_at_once_make_one(session: SessionRow):
    """However many arrive together."""
    items = [Item(new(session, str(n)), f"k{n}", "same") for n in range(20)]
    answers = await asyncio.gather(*(batch(session, *items) for _ in range(6)))
    assert len({tuple(ids(one)) for one in answers}) == 1
    assert len(await queue.list_waiting(session.tenant, session.id)) == 20


async def test_single_sends_and_batches_share_keys(session: SessionRow):
    """A `ref` is one message however it came."""
    single = await messages.accept(session.tenant, new(session), "ref:1", "h")
    (again,) = await batch(session, Item(new(session), "ref:1", "h"))
    assert ids([again]) == [single.view.id]


async def test_what_has_no_room_is_refused_and_may_come_again(session: SessionRow):
    """Its key is not used up; what was accepted before is still answered."""
    items = [Item(new(session, str(n)), f"k{n}", "same") for n in range(4)]
    outcomes = await batch(session, *items, most=3)
    assert [type(one) for one in outcomes] == [Accepted] * 3 + [QueueFull]
    again = await batch(session, *items, most=3)
    assert ids(again) == ids(outcomes)
    assert isinstance(again[3], QueueFull)
    assert len(ids(await batch(session, *items, most=4))) == 4


async def test_a_batch_needs_the_tenants_own_session(session: SessionRow):
    """Another tenant's session does not exist."""
    other = (await tenants.create("Other")).id
    with pytest.raises(SessionNotFound):
        await batches.accept_batch(other, session.id, [Item(new(session))])
    with pytest.raises(SessionNotFound):
        await queue.session(other, session.id)
    assert await queue.list_waiting(other, session.id) == []
    await queue.pause(other, session.id, True)
    assert (await queue.state(session.tenant, session.id)).paused_at is None
    await accepted(session)
    assert await queue.purge(other, session.id) == []
    assert await queue.scheduled(other, session.id) == []
    assert (await queue.depth(other, session.id)).waiting == 0


async def test_a_scheduled_message_waits_for_its_time(session: SessionRow, lease: Lease):
    """Then it is queued, once, and its history says so."""
    due = await accepted(session, send_at=time.time() - 1, priority="campaign")
    later = await accepted(session, send_at=time.time() + 60)
    view = await messages.get(session.tenant, later)
    assert (view.status, view.send_at is not None) == (Status.SCHEDULED, True)
    assert await queue.list_waiting(session.tenant, session.id) == []
    assert await messages.begin_sending(session.tenant, lease, [later]) == [None]
    listed = await queue.scheduled(session.tenant, session.id)
    assert [one.id for one in listed] == [due, later]
    (change,) = await fleet.fall_due()
    assert (change.data.id, change.data.status) == (due, Status.QUEUED)
    assert await fleet.fall_due() == []
    (waiting,) = await queue.list_waiting(session.tenant, session.id)
    assert (waiting.id, waiting.priority) == (due, "campaign")
    steps = [step.status for step in (await messages.get(session.tenant, due)).statuses]
    assert steps == [Status.ACCEPTED, Status.SCHEDULED, Status.QUEUED]
    assert await running.overdue([session.id], time.time() + 1) == {session.id: 1}


async def test_a_scheduled_message_does_not_expire_before_its_time(session: SessionRow):
    """Its deadline counts from there."""
    now = time.time()
    message = await accepted(session, send_at=now - 1, deadline=now - 0.5)
    assert await fleet.expire() == []
    await fleet.fall_due()
    (change,) = await fleet.expire()
    assert change.data.id == message


async def test_what_was_cancelled_is_never_sent(session: SessionRow, lease: Lease):
    """Scheduled or waiting; what was sent cannot be taken back."""
    tenant = session.tenant
    waiting, later = await accepted(session), await accepted(session, send_at=time.time() + 9)
    for message in (waiting, later):
        change = await messages.cancel(tenant, message)
        assert change is not None
        assert change.data.status is Status.CANCELLED
        assert await messages.cancel(tenant, message) is None
        assert await messages.begin_sending(tenant, lease, [message]) == [None]
    assert await messages.cancel(tenant, await sent(lease, session, "W1")) is None


async def test_a_message_is_cancelled_or_sent_never_both(session: SessionRow, lease: Lease):
    """Whoever comes first has it, in every order."""
    tenant = session.tenant
    for _ in range(25):
        message = await accepted(session)
        cancelled, begun = await asyncio.gather(
            messages.cancel(tenant, message), messages.begin_sending(tenant, lease, [message])
        )
        assert (cancelled is not None) != isinstance(begun[0], Outgoing)


async def test_a_purge_takes_back_what_waits(session: SessionRow, lease: Lease):
    """In steps; what is scheduled only when asked for, what is under way never."""
    tenant = session.tenant
    await batch(session, *(Item(new(session, str(n))) for n in range(5)))
    under_way = (await queue.list_waiting(tenant, session.id))[0].id
    await messages.begin_sending(tenant, lease, [under_way])
    later = await accepted(session, send_at=time.time() + 60)
    assert len(await queue.purge(tenant, session.id, limit=3)) == 3
    assert len(await queue.purge(tenant, session.id, limit=3)) == 1
    assert await queue.purge(tenant, session.id) == []
    (last,) = await queue.purge(tenant, session.id, with_scheduled=True)
    assert last.data.id == later
    assert (await messages.get(tenant, under_way)).status is Status.SENDING


async def test_depth_tells_what_waits(session: SessionRow):
    """By priority; scheduled ones apart; both count for the limit."""
    await accepted(session, priority="reply")
    await accepted(session)
    await accepted(session, send_at=time.time() + 60)
    depth = await queue.depth(session.tenant, session.id)
    assert (depth.by_priority, depth.waiting, depth.scheduled) == ({"reply": 1, "": 1}, 2, 1)
    assert depth.oldest == pytest.approx(time.time(), abs=30)
    row, waiting = await queue.session(session.tenant, session.id)
    assert (row.id, waiting) == (session.id, 3)
    assert (await queue.session(session.tenant, session.id, 1))[1] == 2  # one of each counted


async def test_what_is_kept_of_a_queue_outlives_owners(session: SessionRow, lease: Lease):
    """The pause, the counts of the day, the restriction, the first day; fenced."""
    tenant = session.tenant
    assert (await queue.state(tenant, session.id)).policy is None
    await sessions.update(tenant, session.id, settings={"pacing": {"per_minute": 6}})
    await queue.pause(tenant, session.id, True)
    await queue.spend(tenant, lease, 5, 1, 1)
    await queue.spend(tenant, lease, 5, 2, 0)
    state = await queue.state(tenant, session.id)
    assert state.policy == Pacing(per_minute=6)
    assert (state.day, state.sent, state.first_contacts) == (5, 3, 1)
    await queue.spend(tenant, lease, 6, 1, 0)
    await queue.restrict(tenant, lease, 1234.5, 2)
    state = await queue.state(tenant, session.id)
    assert (state.day, state.sent, state.first_contacts) == (6, 1, 0)
    assert (state.restricted_until, state.restrictions) == (1234.5, 2)
    paused = state.paused_at
    await queue.pause(tenant, session.id, True)
    assert (await queue.state(tenant, session.id)).paused_at == paused
    await queue.pause(tenant, session.id, False)
    await queue.linked(tenant, lease)
    state = await queue.state(tenant, session.id)
    assert (state.paused_at, state.sent, state.restricted_until) == (None, 0, None)
    assert state.linked_at == pytest.approx(time.time(), abs=30)
    await fleet.claim(session.id, lease_on(session.id, 2, "wrk_2"))
    for write in (
        queue.spend(tenant, lease, 6, 1, 0),
        queue.restrict(tenant, lease, 1.0, 1),
        queue.linked(tenant, lease),
    ):
        with pytest.raises(Fenced):
            await write


async def test_acquaintances_are_those_written_with(session: SessionRow, lease: Lease):
    """Who wrote, or was written to; not who was only tried."""
    tenant = session.tenant
    known = await queue.acquaintances(tenant, session.id, [ALICE, BOB])
    assert (known[ALICE].met, known[BOB].met) == (False, False)
    await accepted(session)
    assert not (await queue.acquaintances(tenant, session.id, [ALICE]))[ALICE].met
    await sent(lease, session, "W1")
    assert (await queue.acquaintances(tenant, session.id, [ALICE]))[ALICE].met
    await messages.record_inbound(tenant, lease, [arrived("A", chat=BOB, sender=BOB)])
    bob = (await queue.acquaintances(tenant, session.id, [BOB]))[BOB]
    assert (bob.met, bob.heard) == (True, 1_700_000_000.5)


async def test_a_number_is_remembered_for_its_tenant(session: SessionRow):
    """And no other; the newest answer counts."""
    other = (await tenants.create("Other")).id
    assert await numbers.find(session.tenant, "5511") is None
    await numbers.keep(session.tenant, "5511", False)
    await numbers.keep(session.tenant, "5511", True)
    assert await numbers.find(session.tenant, "5511") is True
    assert await numbers.find(other, "5511") is None
