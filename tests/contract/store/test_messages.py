"""Messages: accepted once, moved forward only, fenced, listed.

One file, as `store/messages.py` is.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.contract.store.conftest import lease_on
from wa_api.domain.content import Context, Text
from wa_api.domain.errors import Fenced, IdempotencyConflict, MessageNotFound, SessionNotFound
from wa_api.domain.ids import MessageId, SessionId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import MessageView, Problem, Status
from wa_api.store import fleet, messages, owner, queue, running, sessions, tenants
from wa_api.store.rows import (
    RESEND,
    Advance,
    Changed,
    NewInbound,
    NewMessage,
    Outgoing,
    Owned,
    SessionRow,
    TakenOver,
)

ALICE, GROUP = "5511999990001@s.whatsapp.net", "120363000000000001@g.us"


def new(session: SessionRow, body: str = "hi", **more: object) -> NewMessage:
    """A message to Alice."""
    return NewMessage(session=session.id, chat=ALICE, content=Text(body=body), **more)


def arrived(wa_id: str, body: str = "hello", **more: object) -> NewInbound:
    """A message from Alice."""
    fields: dict[str, object] = {
        "wa_id": wa_id,
        "chat": ALICE,
        "sender": ALICE,
        "from_me": False,
        "timestamp": 1_700_000_000.5,
        "content": Text(body=body),
    }
    return NewInbound(**(fields | more))


async def accepted(session: SessionRow, **more: object) -> MessageId:
    """The id of a message that was accepted."""
    return MessageId((await messages.accept(session.tenant, new(session, **more))).view.id)


async def sent(lease: Lease, session: SessionRow, wa_id: str) -> MessageId:
    """The id of a message that went out under this WhatsApp id."""
    message = await accepted(session)
    await messages.begin_sending(session.tenant, lease, [message])
    news = Advance(id=message, status=Status.SENT, time=time.time(), wa_id=wa_id)
    assert await messages.advance(session.tenant, lease, [news])
    return message


async def test_an_accepted_message_reads_as_it_was_answered(session: SessionRow):
    """What `accept` returns is what everybody reads later."""
    answer = await messages.accept(
        session.tenant, new(session, "olá \0 😀", ref="r1", context=Context(message_id="msg_x"))
    )
    assert answer.fresh
    assert answer.view == await messages.get(session.tenant, MessageId(answer.view.id))
    assert answer.view.content == {"body": "olá \0 😀"}
    assert answer.view.context == {"message_id": "msg_x"}
    assert answer.view.chat.phone == "+5511999990001"
    assert [step.status for step in answer.view.statuses] == [Status.ACCEPTED]


async def test_accepting_needs_the_tenants_own_session(session: SessionRow):
    """Another tenant's session does not exist, with or without a key."""
    other = (await tenants.create("Other")).id
    for key in (None, "k"):
        with pytest.raises(SessionNotFound):
            await messages.accept(other, new(session), key, "h")
    # The failed attempt did not use the key up.
    assert not await messages.list_messages(session.tenant, session.id)


async def test_a_repeated_request_gets_the_first_answer(session: SessionRow):
    """Same key and hash: one row; another hash: a conflict; another tenant's key is another."""
    tenant = session.tenant
    first = await messages.accept(tenant, new(session), "key", "hash")
    again = await messages.accept(tenant, new(session), "key", "hash")
    assert (first.fresh, again.fresh) == (True, False)
    assert again.view == first.view
    with pytest.raises(IdempotencyConflict):
        await messages.accept(tenant, new(session), "key", "other")
    other = await sessions.create((await tenants.create("B")).id, network="sandbox")
    assert (await messages.accept(other.tenant, new(other), "key", "hash")).fresh
    assert len(await messages.list_messages(tenant, session.id)) == 1


async def test_identical_requests_at_once_make_one_message(session: SessionRow):
    """However many arrive together, one is first and all get its id."""
    answers = await asyncio.gather(
        *(messages.accept(session.tenant, new(session), "key", "hash") for _ in range(12))
    )
    assert len({answer.view.id for answer in answers}) == 1
    assert sum(answer.fresh for answer in answers) == 1
    assert len(await messages.list_messages(session.tenant, session.id)) == 1


async def test_a_key_is_free_again_when_its_time_is_over(session: SessionRow):
    """An expired key makes a new message, also with another body."""
    first = await messages.accept(session.tenant, new(session), "key", "a", key_seconds=-1)
    second = await messages.accept(session.tenant, new(session), "key", "b")
    assert second.fresh
    assert second.view.id != first.view.id


async def test_inbound_messages_are_rows_once(lease: Lease, session: SessionRow):
    """Delivered twice, in one batch or in two: one row, and only news are returned."""
    tenant = session.tenant
    fresh = await messages.record_inbound(
        tenant, lease, [arrived("A"), arrived("A"), arrived("B", sender_name="x" * 400)]
    )
    assert [view.wa_id for view in fresh] == ["A", "B"]
    assert await messages.record_inbound(tenant, lease, [arrived("A"), arrived("B")]) == []
    kept = {view.wa_id: view for view in await messages.list_messages(tenant, session.id)}
    assert kept == {view.wa_id: view for view in fresh}
    assert kept["A"].time == "2023-11-14T22:13:20.500Z"
    assert (kept["A"].status, kept["A"].source) == (Status.RECEIVED, "contact")
    assert len(kept["B"].sender.name) == 255


async def test_what_came_after_a_message_is_found_in_order(lease: Lease, session: SessionRow):
    """For telling what an owner recorded and did not tell: not what we sent, nor older ones."""
    tenant, id = session.tenant, session.id
    await accepted(session)
    own = arrived("C", from_me=True, sender="5511888880000@s.whatsapp.net")
    views = [
        (await messages.record_inbound(tenant, lease, [one]))[0]
        for one in (arrived("A"), arrived("B"), own)
    ]
    after = MessageId(views[0].id)
    assert await running.arrived_after(tenant, id, after, 0.0) == views[1:]
    assert await running.arrived_after(tenant, id, None, 0.0, limit=2) == views[:2]
    assert await running.arrived_after(tenant, id, None, time.time() + 60) == []
    other = (await tenants.create("B")).id
    assert await running.arrived_after(other, id, after, 0.0) == []


async def test_the_same_whatsapp_id_from_elsewhere_is_another_message(
    lease: Lease, session: SessionRow
):
    """Ids are chosen by senders: chat and sender belong to the key."""
    batch = [arrived("A"), arrived("A", chat=GROUP), arrived("A", chat=GROUP, sender="1@lid")]
    assert len(await messages.record_inbound(session.tenant, lease, batch)) == 3
    assert len(await messages.by_wa_id(session.tenant, session.id, "A")) == 3


async def test_hostile_text_from_senders_is_kept(lease: Lease, session: SessionRow):
    """NUL in names or text, long ids and names: nothing makes a batch fail."""
    bad = arrived("\0" + "i" * 500, "a\0b", sender_name="n\0" * 500, chat_alt="9" * 300)
    (view,) = await messages.record_inbound(session.tenant, lease, [bad])
    assert view.content == {"body": "a\0b"}
    assert await messages.get(session.tenant, MessageId(view.id)) == view


async def test_a_message_of_another_device_counts_as_sent(lease: Lease, session: SessionRow):
    """What the phone sent is outbound with source `phone`."""
    own = arrived("A", from_me=True, sender="5511888880000@s.whatsapp.net")
    (view,) = await messages.record_inbound(session.tenant, lease, [own])
    assert (view.direction, view.status, view.source) == ("out", Status.SENT, "phone")
    read = Advance(wa_id="A", status=Status.READ, time=time.time())
    assert len(await messages.advance(session.tenant, lease, [read])) == 1


async def test_statuses_only_move_forward(lease: Lease, session: SessionRow):
    """Late and repeated receipts change nothing; the history keeps what happened."""
    tenant = session.tenant
    message = await sent(lease, session, "W")

    async def receipt(status: Status) -> list[Changed]:
        return await messages.advance(
            tenant, lease, [Advance(wa_id="W", status=status, time=1_800_000_000)]
        )

    (change,) = await receipt(Status.READ)
    assert (change.data.id, change.data.status, change.data.wa_id) == (message, Status.READ, "W")
    assert (change.tenant, change.session) == (tenant, session.id)
    assert await receipt(Status.DELIVERED) == []
    assert await receipt(Status.READ) == []
    assert await receipt(Status.FAILED) == []
    assert [step.status for step in (await messages.get(tenant, message)).statuses] == [
        Status.ACCEPTED,
        Status.QUEUED,
        Status.SENDING,
        Status.SENT,
        Status.READ,
    ]


async def test_one_batch_may_move_a_message_twice(lease: Lease, session: SessionRow):
    """Sent and read within one group commit are both told."""
    message = await accepted(session)
    changes = await messages.advance(
        session.tenant,
        lease,
        [
            Advance(id=message, status=Status.SENT, time=1.0, wa_id="W"),
            Advance(wa_id="other", status=Status.READ, time=2.0),
            Advance(id=message, status=Status.READ, time=3.0),
        ],
    )
    assert [change.data.status for change in changes] == [Status.SENT, Status.READ]
    view = await messages.get(session.tenant, message)
    assert (view.status, view.wa_id) == (Status.READ, "W")


async def test_a_refused_message_says_why(lease: Lease, session: SessionRow):
    """The error is in the row, the event and the history."""
    message = await accepted(session)
    why = Problem(code="account_restricted", detail="463")
    (change,) = await messages.advance(
        session.tenant, lease, [Advance(id=message, status=Status.FAILED, time=1.0, error=why)]
    )
    view = await messages.get(session.tenant, message)
    assert change.data.error == view.error == why
    assert view.statuses[-1].reason == "account_restricted"


async def test_only_pending_messages_are_sent_and_only_once(lease: Lease, session: SessionRow):
    """Sending begins once; expired and cancelled messages are never sent."""
    tenant = session.tenant
    good, late, taken_back = [
        await accepted(session),
        await accepted(session, deadline=time.time() - 1),
        await accepted(session),
    ]
    assert (await messages.cancel(tenant, taken_back)).data.status is Status.CANCELLED
    first = await messages.begin_sending(tenant, lease, [good, late, taken_back])
    assert isinstance(first[0], Outgoing)
    assert (first[0].id, first[0].content, first[0].chat) == (good, Text(body="hi"), ALICE)
    assert isinstance(first[1], Changed)
    assert first[1].data.status is Status.EXPIRED
    assert first[2] is None
    assert await messages.begin_sending(tenant, lease, [good, late, taken_back]) == [None] * 3
    assert await messages.cancel(tenant, good) is None
    assert (await messages.get(tenant, good)).status is Status.SENDING


async def test_racing_owners_begin_a_send_once(lease: Lease, session: SessionRow):
    """Ten at once: one gets the message."""
    message = await accepted(session)
    results = await asyncio.gather(
        *(messages.begin_sending(session.tenant, lease, [message]) for _ in range(10))
    )
    assert sum(isinstance(one, Outgoing) for (one,) in results) == 1


async def test_a_new_owner_finds_what_is_pending_and_what_is_unknown(
    lease: Lease, session: SessionRow
):
    """What was being sent becomes unknown, or waits again if its client wants that."""
    tenant = session.tenant
    lost, again, waiting = [
        await accepted(session),
        await accepted(session, on_unknown=RESEND),
        await accepted(session),
    ]
    await messages.begin_sending(tenant, lease, [lost, again])
    newer = lease_on(session.id, 2, "wrk_2")
    await fleet.claim(session.id, newer)
    found = await messages.take_over(tenant, newer)
    assert [one.id for one in found.pending] == [again, waiting]
    assert [(one.data.id, one.data.status) for one in found.unknown] == [(lost, Status.UNKNOWN)]
    with pytest.raises(Fenced):
        await messages.take_over(tenant, lease)
    assert [one.id for one in await queue.list_waiting(tenant, session.id, limit=1)] == [again]
    assert await fleet.sessions_with_pending("sandbox") == [(tenant, session.id)]


async def test_a_send_begun_in_the_moment_of_a_takeover_is_never_sent_twice(
    lease: Lease, session: SessionRow
):
    """Either the old owner has it and the new one knows that, or the new one sends it."""
    tenant, old = session.tenant, lease

    async def successor(epoch: int) -> tuple[Lease, TakenOver]:
        newer = lease_on(session.id, epoch, f"wrk_{epoch}")
        assert await fleet.claim(session.id, newer) is not None
        return newer, await messages.take_over(tenant, newer)

    for epoch in range(2, 42):
        message = await accepted(session)
        begun, (newer, found) = await asyncio.gather(
            messages.begin_sending(tenant, old, [message]), successor(epoch), return_exceptions=True
        )
        sent_by_old = not isinstance(begun, Fenced)
        assert [one.id for one in found.pending] == ([] if sent_by_old else [message])
        assert [one.data.id for one in found.unknown] == ([message] if sent_by_old else [])
        done = Advance(id=message, status=Status.SENT, time=1.0)
        assert await messages.advance(tenant, newer, [done])
        old = newer


async def test_stale_and_present_leases_of_one_session_in_one_batch(
    lease: Lease, session: SessionRow
):
    """What an owner still had in hand under its old epoch does not slip in beside the new."""
    newer = lease_on(session.id, 2)
    await fleet.claim(session.id, newer)
    messages_in = [
        Owned(session.tenant, one, arrived(one.worker + str(one.epoch))) for one in (lease, newer)
    ]
    results = await owner.record_inbound(messages_in)
    assert isinstance(results[0], Fenced)
    assert isinstance(results[1], MessageView)
    ids = [await accepted(session) for _ in range(2)]
    begun = await owner.begin_sending(
        [
            Owned(session.tenant, one, message)
            for one, message in zip((lease, newer), ids, strict=True)
        ]
    )
    assert isinstance(begun[0], Fenced)
    assert isinstance(begun[1], Outgoing)
    news = [
        Owned(session.tenant, one, Advance(id=message, status=Status.SENT, time=1.0))
        for one, message in zip((lease, newer), ids, strict=True)
    ]
    moved = await owner.advance(news)
    assert isinstance(moved[0], Fenced)
    assert isinstance(moved[1], Changed)


async def test_a_late_receipt_resolves_an_unknown_outcome(lease: Lease, session: SessionRow):
    """Unknown is not the end: a receipt proves that it went out."""
    message = await accepted(session)
    await messages.begin_sending(session.tenant, lease, [message])
    unknown = Advance(id=message, status=Status.UNKNOWN, time=1.0, wa_id="W")
    await messages.advance(session.tenant, lease, [unknown])
    assert await messages.advance(
        session.tenant, lease, [Advance(wa_id="W", status=Status.DELIVERED, time=2.0)]
    )
    assert (await messages.get(session.tenant, message)).status is Status.DELIVERED


async def test_an_old_epoch_changes_nothing(lease: Lease, session: SessionRow):
    """Whoever lost the session cannot write to it, in any way."""
    tenant, message = session.tenant, await accepted(session)
    await fleet.claim(session.id, lease_on(session.id, 2, "wrk_2"))
    news = Advance(id=message, status=Status.SENT, time=1.0)
    for write in (
        messages.record_inbound(tenant, lease, [arrived("A")]),
        messages.advance(tenant, lease, [news]),
        messages.begin_sending(tenant, lease, [message]),
    ):
        with pytest.raises(Fenced):
            await write
    (view,) = await messages.list_messages(tenant, session.id)
    assert view.status is Status.ACCEPTED


async def test_in_a_mixed_batch_only_the_fenced_fail(lease: Lease, session: SessionRow):
    """One transaction for many sessions and tenants: each item is judged by its own lease."""
    other = await sessions.create((await tenants.create("B")).id, network="sandbox")
    current = lease_on(other.id, 5)
    await fleet.claim(other.id, current)
    await fleet.claim(session.id, lease_on(session.id, 2, "wrk_2"))
    wrong_tenant = Owned(session.tenant, current, arrived("C"))
    results = await owner.record_inbound(
        [
            Owned(session.tenant, lease, arrived("A")),
            Owned(other.tenant, current, arrived("B")),
            wrong_tenant,
        ]
    )
    assert isinstance(results[0], Fenced)
    assert isinstance(results[1], MessageView)
    assert isinstance(results[2], Fenced)
    assert await messages.list_messages(session.tenant, session.id) == []
    assert len(await messages.list_messages(other.tenant, other.id)) == 1


async def test_messages_are_paged_both_ways(lease: Lease, session: SessionRow):
    """Newest first back from a cursor; oldest first on from one; by chat too."""
    tenant = session.tenant
    made = [await accepted(session) for _ in range(5)]
    await messages.record_inbound(tenant, lease, [arrived("G", chat=GROUP)])

    async def page(**more: object) -> list[str]:
        found = await messages.list_messages(tenant, session.id, chat=ALICE, **more)
        return [view.id for view in found]

    assert await page(limit=2) == [made[4], made[3]]
    assert await page(limit=2, before=made[3]) == [made[2], made[1]]
    assert await page(limit=2, after=made[1]) == [made[2], made[3]]
    assert len(await messages.list_messages(tenant, session.id, limit=10_000)) == 6


async def test_another_tenant_finds_no_message(session: SessionRow):
    """Neither by id, list, WhatsApp id nor by taking back."""
    other = (await tenants.create("B")).id
    message = await accepted(session)
    assert await messages.find(other, message) is None
    assert await messages.list_messages(other, session.id) == []
    assert await queue.list_waiting(other, session.id) == []
    with pytest.raises(MessageNotFound):
        await messages.cancel(other, message)
    wrong = SessionId("ses_0")
    assert await messages.find(session.tenant, message, wrong) is None


async def test_messages_expire_without_an_owner(session: SessionRow):
    """Housekeeping ends what nobody could send in time, once."""
    late = await accepted(session, deadline=time.time() - 1)
    await accepted(session, deadline=time.time() + 60)
    (change,) = await fleet.expire()
    assert (change.data.id, change.data.status) == (late, Status.EXPIRED)
    assert await fleet.expire() == []
