"""Commands: whoever owns the session gets them in order, and answers each at most once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from tests.contract.bus.servers import eventually
from wa_api.bus.open import Bus
from wa_api.bus.ports import Lease
from wa_api.domain.commands import Command, Reply
from wa_api.domain.errors import CommandTimedOut, Fenced, TooManyRequests
from wa_api.domain.ids import Epoch, new_id


def command(session: str, within: float = 5.0, **data: object) -> Command:
    """A command that must begin within some seconds."""
    return Command(
        id=new_id("cmd"),
        tenant="ten_x",
        session=session,
        name="message.send",
        data=dict(data),
        deadline=time.time() + within,
    )


class Owner:
    """Takes commands over, and answers them when told to."""

    def __init__(self, bus: Bus, lease: Lease, answers: bool = True) -> None:
        self.bus, self.lease, self.answers = bus, lease, answers
        self.got: list[Command] = []
        bus.inbox.attach(lease, self.take)

    @property
    def numbers(self) -> list[object]:
        return [command.data["n"] for command in self.got]

    async def take(self, command: Command) -> None:
        self.got.append(command)
        if self.answers:
            await self.finish(command)

    async def finish(self, command: Command) -> None:
        reply = Reply(id=command.id, data={"by": self.lease.worker})
        await self.bus.inbox.finish(self.lease, command, reply)


@pytest.fixture
async def lease(bus: Bus, session, alice) -> Lease:
    """Alice's lease, long enough for a test."""
    long = await bus.leases.acquire(session, alice)
    await bus.redis.execute(f"{{{session}}}", "PEXPIRE", key(bus, session, "lease"), 60_000)
    return long


def key(bus: Bus, session: str, name: str) -> str:
    """A key's name as the bus has it."""
    return getattr(bus.leases._keys, name)(session)


async def take_over(bus: Bus, lease: Lease, bob: str) -> Lease:
    """Bob becomes the owner, as after an expiry."""
    await bus.leases.release(lease)
    fresh = await bus.leases.acquire(lease.session, bob)
    await bus.redis.execute(
        f"{{{lease.session}}}", "PEXPIRE", key(bus, lease.session, "lease"), 60_000
    )
    return fresh


async def test_a_call_reaches_the_owner_in_another_process(bus: Bus, other: Bus, lease):
    """The caller need not know who owns the session."""
    Owner(bus, lease)
    reply = await other.commands.call(command(lease.session))
    assert reply.data == {"by": lease.worker}


async def test_commands_wait_for_an_owner(bus: Bus, other: Bus, lease):
    """What was sent before anybody listened is delivered first, in order."""
    for n in range(250):
        await other.commands.send(command(lease.session, n=n))
    owner = Owner(bus, lease)
    await eventually(lambda: len(owner.got) == 250)
    await other.commands.send(command(lease.session, n=250))
    await eventually(lambda: len(owner.got) == 251)
    assert owner.numbers == list(range(251))


async def test_commands_arrive_in_order_under_load(bus: Bus, other: Bus, lease):
    """Many calls at once: each gets its own reply, and order is kept."""
    owner = Owner(bus, lease)
    calls = [command(lease.session, n=n) for n in range(300)]
    replies = await asyncio.gather(*map(other.commands.call, calls))
    assert [reply.id for reply in replies] == [call.id for call in calls]
    assert owner.numbers == list(range(300))


async def test_finished_commands_leave_the_stream(bus: Bus, lease):
    """Nothing piles up."""
    Owner(bus, lease)
    await bus.commands.call(command(lease.session))
    name = key(bus, lease.session, "commands")
    assert await bus.redis.execute(name, "XLEN", name) == 0


async def test_a_taking_owner_that_waits_holds_the_rest_back(bus: Bus, lease):
    """Awaiting `on_command` is back-pressure."""
    gate, got = asyncio.Event(), []

    async def take(command: Command) -> None:
        got.append(command.data["n"])
        await gate.wait()

    bus.inbox.attach(lease, take)
    for n in range(3):
        await bus.commands.send(command(lease.session, n=n))
    await eventually(lambda: got)
    await bus.ping()
    assert got == [0]
    gate.set()
    await eventually(lambda: got == [0, 1, 2])


async def test_an_expired_command_is_answered_and_never_run(bus: Bus, other: Bus, lease):
    """Nobody gets a message sent after they were told that it was not."""
    late = command(lease.session, within=0.2)
    with pytest.raises(CommandTimedOut):
        await other.commands.call(late)
    waiting = asyncio.create_task(other.commands.call(command(lease.session)))
    owner = Owner(bus, lease)
    await waiting
    assert late.id not in [command.id for command in owner.got]
    name = key(bus, lease.session, "commands")
    assert await bus.redis.execute(name, "XLEN", name) == 0


async def test_a_full_stream_refuses_more(process, session):
    """A session that nobody serves does not eat the memory."""
    bus = await process(most_commands=2)
    await bus.commands.send(command(session))
    await bus.commands.send(command(session))
    with pytest.raises(TooManyRequests):
        await bus.commands.send(command(session))


async def test_undone_commands_go_to_the_next_owner(bus: Bus, other: Bus, lease, bob):
    """An owner that dies with commands in hand loses none of them."""
    first = Owner(bus, lease, answers=False)
    waiting = asyncio.create_task(other.commands.call(command(lease.session)))
    await eventually(lambda: first.got)
    await bus.inbox.detach(lease.session)
    second = Owner(other, await take_over(bus, lease, bob))
    assert (await waiting).data == {"by": bob}
    assert [command.id for command in second.got] == [command.id for command in first.got]


async def test_a_command_in_hand_is_finished_after_detach(bus: Bus, other: Bus, lease):
    """A graceful stop: no new ones, but what was begun is answered."""
    owner = Owner(bus, lease, answers=False)
    waiting = asyncio.create_task(other.commands.call(command(lease.session)))
    await eventually(lambda: owner.got)
    await bus.inbox.detach(lease.session)
    await owner.finish(owner.got[0])
    assert (await waiting).data == {"by": lease.worker}


async def test_after_detach_nothing_is_delivered(bus: Bus, lease):
    """And the session can be attached again."""
    owner = Owner(bus, lease)
    await bus.inbox.detach(lease.session)
    await bus.inbox.detach(lease.session)
    await bus.commands.send(command(lease.session))
    assert owner.got == []
    again = Owner(bus, lease)
    await eventually(lambda: len(again.got) == 1)


async def test_a_stale_owner_cannot_answer(bus: Bus, other: Bus, lease, bob):
    """Its reply changes nothing: the new owner's is the one that counts."""
    first = Owner(bus, lease, answers=False)
    waiting = asyncio.create_task(other.commands.call(command(lease.session)))
    await eventually(lambda: first.got)
    fresh = await take_over(bus, lease, bob)
    with pytest.raises(Fenced):
        await first.finish(first.got[0])
    with pytest.raises(Fenced):
        await bus.inbox.begin(lease, first.got[0])
    Owner(other, fresh)
    assert (await waiting).data == {"by": bob}


async def test_a_command_is_answered_once(bus: Bus, lease):
    """Finishing twice publishes nothing new."""
    owner = Owner(bus, lease)
    reply = await bus.commands.call(command(lease.session))
    await owner.finish(owner.got[0])
    assert reply.data == {"by": lease.worker}


async def test_what_an_earlier_owner_began_is_answered_as_unknown(bus: Bus, other: Bus, lease, bob):
    """A command that must not run twice does not."""
    first = Owner(bus, lease, answers=False)
    waiting = asyncio.create_task(other.commands.call(command(lease.session)))
    await eventually(lambda: first.got)
    assert await bus.inbox.begin(lease, first.got[0])
    assert await bus.inbox.begin(lease, first.got[0])  # the same owner may ask twice
    fresh = await take_over(bus, lease, bob)
    assert not await other.inbox.begin(fresh, first.got[0])
    second = Owner(other, fresh)
    reply = await waiting
    assert reply.error.code == "outcome_unknown"
    assert not reply.retryable
    assert second.got == []
    begun = key(bus, lease.session, "begun")
    assert await bus.redis.execute(begun, "HLEN", begun) == 0


async def test_an_owner_whose_hands_fail_still_answers(bus: Bus, lease):
    """A fault in taking one command over stops neither its caller nor the next command."""
    owner = Owner(bus, lease)
    working, owner.bus = owner.bus, None
    reply = await bus.commands.call(command(lease.session))
    assert reply.error.code == "internal_error"
    owner.bus = working
    assert (await bus.commands.call(command(lease.session))).data


async def test_a_missed_reply_is_fetched(bus: Bus, other: Bus, lease):
    """A caller whose subscription broke while the reply was published gets it after all."""
    owner = Owner(bus, lease, answers=False)
    waiting = asyncio.create_task(other.commands.call(command(lease.session)))
    await eventually(lambda: owner.got)
    subscriptions = other.commands._subscriptions
    subscriptions._connection.abort()  # cut off, and back only after the reply
    await eventually(lambda: subscriptions._connection is None)
    await owner.finish(owner.got[0])
    assert (await waiting).data == {"by": lease.worker}


async def test_an_inbox_that_missed_its_wake_reads_again(bus: Bus, other: Bus, lease):
    """A broken subscription delays commands, no more."""
    owner = Owner(bus, lease)
    await bus.commands.call(command(lease.session))
    subscriptions = bus.inbox._subscriptions
    subscriptions._connection.abort()
    await eventually(lambda: subscriptions._connection is None)
    await other.commands.send(command(lease.session))
    await eventually(lambda: len(owner.got) == 2)


async def test_a_forged_epoch_is_refused(bus: Bus, lease):
    """Being the right worker is not enough."""
    forged = replace(lease, epoch=Epoch(lease.epoch + 1))
    with pytest.raises(Fenced):
        await bus.inbox.begin(forged, command(lease.session))
