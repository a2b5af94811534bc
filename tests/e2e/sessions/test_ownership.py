"""One owner per session at any time, and another within moments."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.e2e.sessions.stage import Stage, Worker, until
from wa_api.domain.ids import SessionId
from wa_api.domain.messages import Status
from wa_api.domain.sessions import Desired
from wa_api.store import sessions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def owned_by(gateway: Stage, session: SessionId, worker: Worker) -> None:
    """Wait until this worker has connected the session."""

    async def is_owned() -> bool:
        owner = await gateway.owner(session)
        return owner == worker.id and await gateway.state(session) == "connected"

    await until(is_owned)


@pytest.mark.proves("Text", "sent", "received")
async def test_a_number_is_linked_by_qr_and_talks_both_ways(gateway: Stage):
    """A scanned session sends, hears answers, and says how far its message got."""
    await gateway.session_worker()
    session = await gateway.create()
    phone = await gateway.link(session)
    friend = await gateway.sandbox.call("phone.create", tenant=gateway.tenant, name="Friend")
    sent = await gateway.send(session, friend["jid"], "hello")

    async def is_delivered() -> bool:
        return (await gateway.message(sent)).status is Status.DELIVERED

    await until(is_delivered)
    inbox = await gateway.sandbox.call(
        "phone.inbox", tenant=gateway.tenant, phone=friend["phone"], wait=10
    )
    assert [letter["text"] for letter in inbox] == ["hello"]
    await gateway.sandbox.call(
        "phone.send", tenant=gateway.tenant, phone=friend["phone"], to=phone["jid"], text="hi"
    )
    (heard,) = await until(lambda: gateway.events("message.received", session))
    assert heard["message"]["text"] == {"body": "hi"}
    assert heard["message"]["chat"]["id"] == (await gateway.message(sent)).chat.id
    steps = [event["status"] for event in await gateway.events("message.status_changed")]
    assert steps == ["sent", "delivered"]


async def test_sigterm_hands_sessions_to_another_worker(gateway: Stage):
    """A worker that is told to stop gives its session away first, and ends with code 0."""
    first = await gateway.session_worker()
    session = await gateway.create()
    await gateway.link(session)
    second = await gateway.session_worker()
    first.signal(signal.SIGTERM)
    assert await first.ended() == 0
    await owned_by(gateway, session, second)
    assert await gateway.overlaps() == []


async def test_a_killed_workers_sessions_are_taken_over(gateway: Stage):
    """After SIGKILL of a whole host, others connect its sessions when the leases have expired."""
    first = await gateway.session_worker()
    session = await gateway.create()
    await gateway.link(session)
    second = await gateway.session_worker()
    if await gateway.owner(session) == second.id:  # balanced meanwhile
        first, second = second, first
    first.signal(signal.SIGKILL)
    await owned_by(gateway, session, second)
    assert await gateway.overlaps() == []


async def test_a_stopped_process_is_dead_before_its_lease_is_free(gateway: Stage):
    """SIGSTOP for longer than the lease: the kernel kills the owner, nobody is connected twice."""
    first = await gateway.session_worker()
    session = await gateway.create()
    await gateway.link(session)
    second = await gateway.session_worker()
    if await gateway.owner(session) == second.id:
        first, second = second, first
    first.signal(signal.SIGSTOP)
    began = time.monotonic()
    assert await first.ended() == -signal.SIGKILL
    assert time.monotonic() - began < 5
    await owned_by(gateway, session, second)
    assert await gateway.overlaps() == []


async def test_a_session_is_stopped_and_started_by_its_user(gateway: Stage):
    """What a user stops is let go, nobody takes it, and a start brings it back."""
    await gateway.session_worker()
    session = await gateway.create()
    await gateway.link(session)
    await sessions.set_desired(gateway.tenant, session, Desired.STOPPED)
    reply = await gateway.ask(session, "session.stop")
    assert reply.error is None
    assert await gateway.state(session) == "stopped"
    assert await until(lambda: _unowned(gateway, session))
    await sessions.set_desired(gateway.tenant, session, Desired.RUNNING)
    await gateway.bus.fleet.announce("sandbox", session)
    await gateway.connected(session)


async def _unowned(gateway: Stage, session: SessionId) -> bool:
    return await gateway.owner(session) is None


async def test_a_logged_out_session_is_nobodys_until_started(gateway: Stage):
    """When the phone removes the link the session ends, and pairs anew after a start."""
    await gateway.session_worker()
    session = await gateway.create()
    phone = await gateway.link(session)
    await gateway.sandbox.call(
        "phone.unlink", tenant=gateway.tenant, phone=phone["phone"], device=1
    )

    async def is_logged_out() -> bool:
        row = await sessions.get(gateway.tenant, session)
        return row.state == "logged_out" and row.jid is None

    await until(is_logged_out)
    await until(lambda: _unowned(gateway, session))
    await sessions.set_desired(gateway.tenant, session, Desired.RUNNING)
    await gateway.bus.fleet.announce("sandbox", session)

    async def is_pairing() -> bool:
        return await gateway.state(session) == "pairing"

    await until(is_pairing)


@pytest.mark.proves("Pairing code", "rest")
async def test_a_pairing_code_links_too(gateway: Stage):
    """An eight-character code is asked for, typed on the phone, and links."""
    await gateway.session_worker()
    session = await gateway.create()
    phone = await gateway.sandbox.call("phone.create", tenant=gateway.tenant)
    reply = await gateway.ask(session, "session.pairing_code", phone=phone["number"])
    assert reply.data is not None, reply.error
    await gateway.sandbox.call(
        "phone.link_code",
        tenant=gateway.tenant,
        phone=phone["phone"],
        code=reply.data["code"].replace("-", ""),
    )
    await gateway.connected(session)


async def test_a_send_waits_for_its_session(gateway: Stage):
    """A message accepted while nobody owns the session goes out when somebody does."""
    first = await gateway.session_worker()
    session = await gateway.create()
    await gateway.link(session)
    friend = await gateway.sandbox.call("phone.create", tenant=gateway.tenant, name="Friend")
    first.signal(signal.SIGTERM)
    await first.ended()
    assert await gateway.state(session) == "reconnecting"
    sent = await gateway.send(session, friend["jid"], "later")
    await gateway.session_worker()

    async def is_sent() -> bool:
        return (await gateway.message(sent)).status in {Status.SENT, Status.DELIVERED}

    await until(is_sent)
    inbox = await gateway.sandbox.call(
        "phone.inbox", tenant=gateway.tenant, phone=friend["phone"], wait=10
    )
    assert [letter["text"] for letter in inbox] == ["later"]


async def test_a_redis_that_hangs_costs_the_connection_and_nothing_else(gateway: Stage):
    """Owners let go before their leases end, and come back by themselves; what arrived meanwhile
    is told once."""
    worker = await gateway.session_worker()
    session = await gateway.create()
    phone = await gateway.link(session)
    friend = await gateway.sandbox.call("phone.create", tenant=gateway.tenant, name="Friend")

    async def say(text: str) -> None:
        to = {"phone": friend["phone"], "to": phone["jid"], "text": text}
        await gateway.sandbox.call("phone.send", tenant=gateway.tenant, **to)

    await say("before")
    await until(lambda: gateway.events("message.received", session))
    os.kill(gateway.redis, signal.SIGSTOP)
    try:
        await say("meanwhile")
        await until(lambda: "session.lease_not_renewed" in worker.log.read_text())
    finally:
        os.kill(gateway.redis, signal.SIGCONT)
    await say("after")

    async def heard() -> list[str]:
        events = await gateway.events("message.received", session)
        texts = [event["message"]["text"]["body"] for event in events]
        return texts if len(texts) >= 3 else []

    assert await until(heard) == ["before", "meanwhile", "after"]
    assert worker.process.poll() is None
    assert await gateway.overlaps() == []
