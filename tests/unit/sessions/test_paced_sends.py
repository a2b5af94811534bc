"""Sends that wait for their turn: held, taken back, refused to strangers, paced."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.unit.sessions.fakes import (
    FAST,
    FRIEND,
    MEDIA,
    Engine,
    Inbox,
    Log,
    Records,
    Row,
    owned,
    until,
)
from wa_api.domain.commands import Command
from wa_api.domain.directory import NumberCheck, NumberChecks
from wa_api.domain.ids import MessageId
from wa_api.domain.messages import Status
from wa_api.domain.pacing import Pacing, day_of
from wa_api.store.rows import Acquaintance, QueueRow, Waiting
from workers.engine.port import CallFailed, SendFailed
from workers.sessions import sends as module
from workers.sessions.attachments import Attachments
from workers.sessions.insist import Lost
from workers.sessions.sends import Sends
from workers.sessions.voice import Debts, Voice

CHAT, OTHER = str(FRIEND), "5511999990002@s.whatsapp.net"


class Asked(Engine):
    """An engine that knows some numbers."""

    on_whatsapp = True

    async def ask(self, what: Any) -> msgspec.Struct:
        self.calls.append(("check", tuple(what.numbers)))
        if self.failure is not None:
            raise self.failure
        return NumberChecks(
            items=[NumberCheck(number=each, exists=self.on_whatsapp) for each in what.numbers]
        )


class Stage:
    """Sends over fakes, online."""

    def __init__(self) -> None:
        self.records, self.log, self.inbox = Records(), Log(), Inbox()
        self.restrictions: list[float] = []
        lost = Lost()
        voice = Voice(owned(), self.log, self.inbox, Debts(), lost)
        files = Attachments(owned(), MEDIA, voice, None)
        self.sends = Sends(owned(), self.records, voice, files, lost, self._on_restricted)
        self.engine = Asked(self._nothing)

    async def _nothing(self, _: object) -> None:
        return

    async def _on_restricted(self) -> None:
        until = await self.sends.restrict(2)
        if until is not None:
            self.restrictions.append(until)

    async def begin(self, **kept: Any) -> None:
        """With this kept of the queue."""
        self.records.queue_row = QueueRow(**kept)
        await self.sends.begin()
        self.sends.online(self.engine)

    def waits(self, id: str, chat: str = CHAT, **more: Any) -> MessageId:
        """A row that waits, in hand."""
        message = MessageId(id)
        self.records.messages[message] = Row()
        self.sends.offer([Waiting(message, chat, time.time(), **more)])
        return message

    def status(self, message: MessageId) -> Status:
        return self.records.messages[message].status

    async def tell(self, name: str, **data: Any) -> None:
        """A command about the queue."""
        deadline = time.time() + 10
        await self.sends.change(
            Command(
                id="cmd_1",
                tenant="ten_1",
                session="ses_1",
                name=name,
                data=data,
                deadline=deadline,
            )
        )

    def told(self) -> list[str]:
        return [data.status for data in self.log.said("message.status_changed")]


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "AGAIN", 0.005)
    made = Stage()
    yield made
    await made.sends.close(1)


async def test_a_paused_queue_sends_nothing_until_it_is_resumed(stage: Stage):
    """Pause and resume are in the database; a command says to look."""
    await stage.begin(paused_at=1.0)
    message = stage.waits("msg_1")
    await asyncio.sleep(0.01)
    assert stage.status(message) is Status.ACCEPTED
    assert stage.sends.look(message)["message"]["waits_for"] == "paused"
    stage.records.queue_row = QueueRow()
    await stage.tell("queue.refresh")
    await until(lambda: stage.status(message) is Status.SENT)


async def test_deadlines_pass_in_a_paused_queue(stage: Stage):
    """Held does not mean kept for ever."""
    await stage.begin(paused_at=1.0)
    message = stage.waits("msg_1", deadline=time.time() + 0.02)
    await until(lambda: stage.told() == ["expired"])
    assert stage.status(message) is Status.EXPIRED


async def test_what_was_taken_back_is_dropped(stage: Stage):
    """At once, without taking its turn."""
    await stage.begin(paused_at=1.0)
    message, kept = stage.waits("msg_1"), stage.waits("msg_2")
    stage.records.messages[message].status = Status.CANCELLED
    await stage.tell("queue.drop", ids=[message])
    assert stage.sends.look(kept)["message"]["position"] == 1
    assert len(stage.sends) == 1


async def test_a_refresh_takes_new_rows_and_drops_old_ones(stage: Stage):
    """The rows are the truth."""
    await stage.begin(paused_at=1.0)
    gone = stage.waits("msg_1")
    stage.records.messages[gone].status = Status.CANCELLED
    stage.records.messages[MessageId("msg_2")] = Row()
    await stage.tell("queue.refresh")
    assert len(stage.sends) == 1
    assert stage.sends.look(MessageId("msg_2"))["message"]["position"] == 1


async def test_a_policy_paces(stage: Stage):
    """The second waits for its time, and says so."""
    await stage.begin(policy=replace_policy(per_minute=60, burst=1))
    first, second = stage.waits("msg_1"), stage.waits("msg_2", OTHER)
    await until(lambda: Status.SENT in (stage.status(first), stage.status(second)))
    waiting = next(one for one in (first, second) if stage.status(one) is Status.ACCEPTED)
    assert stage.sends.look(waiting)["waits_for"] == "rate"


def replace_policy(**more: Any) -> Pacing:
    """FAST but for these."""
    return msgspec.structs.replace(FAST, **more)


async def test_what_was_spent_is_kept(stage: Stage):
    """By the day, and whether it was a first contact."""
    await stage.begin(policy=FAST)
    stage.records.known[OTHER] = Acquaintance(met=True)
    for message in (stage.waits("msg_1"), stage.waits("msg_2", OTHER)):
        await until(lambda one=message: stage.status(one) is Status.SENT)
    await until(lambda: len(stage.records.spent) == 2)
    today = day_of(time.time())
    assert sorted(stage.records.spent) == [(today, False), (today, True)]


async def test_the_budget_of_the_day_holds_and_a_word_from_them_frees(stage: Stage):
    """Once they write, what waits for them is a reply."""
    today = day_of(time.time())
    await stage.begin(policy=replace_policy(per_day=1), day=today, sent=1)
    stage.records.known[CHAT] = Acquaintance(met=True)
    message = stage.waits("msg_1")
    await until(lambda: stage.sends.look(message).get("waits_for") == "daily_budget")
    stage.sends.hear(CHAT)
    await until(lambda: stage.status(message) is Status.SENT)


async def test_a_number_without_whatsapp_fails_before_it_is_sent_to(stage: Stage):
    """It is asked once, and costs no budget."""
    stage.engine.on_whatsapp = False
    await stage.begin(policy=replace_policy(check_numbers=True))
    for id in ("msg_1", "msg_2"):
        message = stage.waits(id)
        await until(lambda one=message: stage.status(one) is Status.FAILED)
    await until(lambda: stage.told() == ["failed", "failed"])
    assert stage.log.said("message.status_changed")[0].error.code == "recipient_not_on_whatsapp"
    assert stage.engine.calls == [("check", (FRIEND.user,))]
    assert (stage.engine.sent, stage.records.spent) == ([], [])


async def test_a_number_that_cannot_be_checked_is_sent_to(stage: Stage):
    """The send itself will tell."""
    await stage.begin(policy=replace_policy(check_numbers=True))
    stage.engine.ask = _fails  # type: ignore[method-assign]
    message = stage.waits("msg_1")
    await until(lambda: stage.status(message) is Status.SENT)
    assert stage.records.numbers == {}


async def _fails(_: object) -> msgspec.Struct:
    raise CallFailed("whatsapp_timeout", "no answer")


async def test_a_known_chat_is_not_checked(stage: Stage):
    """Only first contacts are."""
    stage.records.known[CHAT] = Acquaintance(met=True)
    await stage.begin(policy=replace_policy(check_numbers=True))
    message = stage.waits("msg_1")
    await until(lambda: stage.status(message) is Status.SENT)
    assert stage.engine.calls == []


async def test_error_463_holds_strangers_and_lets_replies_through(stage: Stage):
    """The message that was refused waits too, and goes when the restriction is over."""
    stage.engine.failure = SendFailed("account_restricted", "463")
    await stage.begin()
    refused = stage.waits("msg_1")
    await until(lambda: stage.restrictions)
    stage.engine.failure = None
    await until(lambda: stage.status(refused) is Status.QUEUED)
    stage.records.known[OTHER] = Acquaintance(met=True)
    reply = stage.waits("msg_2", OTHER)
    await until(lambda: stage.status(reply) is Status.SENT)
    assert stage.status(refused) is Status.QUEUED
    assert stage.sends.look(refused)["message"]["waits_for"] == "restricted"
    await until(lambda: stage.status(refused) is Status.SENT)
    assert time.time() >= stage.restrictions[0]


async def test_a_restriction_is_known_to_the_next_owner(stage: Stage):
    """It is kept in the database."""
    await stage.begin(restricted_until=time.time() + 60, restrictions=1)
    message = stage.waits("msg_1")
    await until(lambda: stage.sends.look(message).get("waits_for") == "restricted")
    assert stage.engine.sent == []


async def test_a_restriction_that_goes_on_lasts_longer(stage: Stage):
    """Twice as long each time."""
    await stage.begin()
    first = await stage.sends.restrict(100)
    assert first is not None
    assert await stage.sends.restrict(100) is None
    pacer = stage.sends._queue.pacer
    pacer.restrict(time.time() - 1, pacer.state.restrictions)
    second = await stage.sends.restrict(100)
    assert second is not None
    assert 195 < second - time.time() < 205
    assert stage.records.queue_row.restrictions == 2


async def test_held_messages_still_expire(stage: Stage):
    """A restriction does not outlast a deadline."""
    await stage.begin(restricted_until=time.time() + 60)
    message = stage.waits("msg_1", deadline=time.time() + 0.03)
    await until(lambda: stage.status(message) is Status.EXPIRED)


async def test_a_queue_that_is_long_answers_commands_that_nobody_waits_for(stage: Stage):
    """So that a session's stream has room for others."""
    await stage.begin(paused_at=1.0)
    stage.records.messages[MessageId("msg_1")] = Row()
    command = Command(
        id="cmd_9",
        tenant="ten_1",
        session="ses_1",
        name="message.send",
        data={"id": "msg_1", "to": CHAT},
        deadline=time.time() + 10,
        lane=CHAT,
    )
    await stage.sends.order(command)
    await until(lambda: stage.inbox.replies)
    assert stage.status(MessageId("msg_1")) is Status.ACCEPTED
    await stage.sends.order(msgspec.structs.replace(command, id="cmd_10", reply_to="a caller"))
    assert len(stage.inbox.replies) == 1
    stage.records.queue_row = replace(stage.records.queue_row, paused_at=None)
    await stage.tell("queue.refresh")
    await until(lambda: len(stage.inbox.replies) == 3)
