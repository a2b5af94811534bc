"""Every accepted message ends once: sent, failed, expired or unknown."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.unit.sessions.fakes import (
    MEDIA,
    Engine,
    Inbox,
    Log,
    Records,
    Row,
    owned,
    until,
    waiting,
)
from wa_api.domain.commands import Command
from wa_api.domain.ids import MessageId
from wa_api.domain.messages import Status
from wa_api.store.rows import Advance
from workers.engine.port import EngineNotReady, SendFailed, SendUncertain
from workers.sessions import sends as module
from workers.sessions.attachments import Attachments
from workers.sessions.insist import Lost
from workers.sessions.sends import Sends
from workers.sessions.voice import Debts, Voice

ID = MessageId("msg_1")


class Stage:
    """Sends over fakes; `engine` is not online yet."""

    def __init__(self) -> None:
        self.records, self.log, self.inbox = Records(), Log(), Inbox()
        lost = Lost()
        voice = Voice(owned(), self.log, self.inbox, Debts(), lost)
        self.restricted = 0
        files = Attachments(owned(), MEDIA, voice, None)
        self.sends = Sends(owned(), self.records, voice, files, lost, self._on_restricted)
        self.engine = Engine(self._nothing)
        self.records.messages[ID] = Row()

    async def _nothing(self, _: object) -> None:
        return

    async def _on_restricted(self) -> None:
        self.restricted += 1
        await self.sends.restrict(60)

    async def order(self, seconds: float = 10.0, number: int = 1) -> None:
        """A command for the message."""
        deadline = time.time() + seconds
        data = {"id": ID, "to": "chat", "deadline": deadline}
        await self.sends.order(
            Command(
                id=f"cmd_{number}",
                tenant="ten_1",
                session="ses_1",
                name="message.send",
                data=data,
                deadline=deadline,
                lane="chat",
                reply_to="a caller",
            )
        )

    @property
    def status(self) -> Status:
        return self.records.messages[ID].status

    def told(self) -> list[str]:
        return [data.status for data in self.log.said("message.status_changed")]


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "AGAIN", 0.005)
    made = Stage()
    yield made
    await made.sends.close(1)


async def test_a_sent_message_is_recorded_told_and_answered(stage: Stage):
    """In that order, with WhatsApp's id."""
    stage.sends.online(stage.engine)
    await stage.order()
    await until(lambda: stage.inbox.replies)
    assert stage.status is Status.SENT
    assert stage.told() == ["sent"]
    assert stage.inbox.replies[0].data == {"id": ID, "status": "sent", "wa_id": "wa1"}


async def test_it_waits_for_the_session_to_be_online(stage: Stage):
    """Nothing is handed over before."""
    await stage.order()
    await asyncio.sleep(0.01)
    assert stage.status is Status.ACCEPTED
    stage.sends.online(stage.engine)
    await until(lambda: stage.status is Status.SENT)


async def test_it_expires_at_its_deadline(stage: Stage):
    """It did not go out, and says so."""
    await stage.order(seconds=0.02)
    await until(lambda: stage.inbox.replies)
    assert stage.status is Status.EXPIRED
    assert stage.engine.sent == []


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (SendFailed("whatsapp_refused", "479"), Status.FAILED, "whatsapp_refused"),
        (SendUncertain("no answer"), Status.UNKNOWN, "outcome_unknown"),
        (RuntimeError("a bug"), Status.UNKNOWN, "outcome_unknown"),
    ],
)
async def test_what_went_wrong_is_said(stage: Stage, failure: Exception, status: Status, code: str):
    """A refusal is final, everything unclear is unknown; neither is tried again."""
    stage.engine.failure = failure
    stage.sends.online(stage.engine)
    await stage.order()
    await until(lambda: stage.inbox.replies)
    assert stage.status is status
    assert stage.inbox.replies[0].data is not None
    assert stage.told() == [status]


@pytest.mark.parametrize("failure", [EngineNotReady(), SendFailed("not_connected", "lost before")])
async def test_what_surely_did_not_go_out_is_tried_again(stage: Stage, failure: Exception):
    """It is pending in between, so that a new owner would send it too."""
    stage.engine.failure = failure
    stage.sends.online(stage.engine)
    await stage.order()
    await until(lambda: stage.status is Status.QUEUED)
    stage.engine.failure = None
    await until(lambda: stage.status is Status.SENT)
    assert len(stage.engine.sent) == 1


async def test_a_message_is_sent_once_however_often_it_is_ordered(stage: Stage):
    """A command and a swept row are one job; every command is answered."""
    await stage.order(number=1)
    await stage.order(number=2)
    stage.sends.offer([waiting(ID)])
    stage.sends.online(stage.engine)
    await until(lambda: len(stage.inbox.replies) == 2)
    assert len(stage.engine.sent) == 1


async def test_a_cancelled_message_is_not_sent(stage: Stage):
    """The row decides at the last moment."""
    stage.records.messages[ID].status = Status.CANCELLED
    stage.sends.online(stage.engine)
    await stage.order()
    await until(lambda: stage.inbox.replies)
    assert stage.engine.sent == []


async def test_a_receipt_may_overtake_its_send(stage: Stage):
    """It is kept until the send is recorded."""
    stage.engine.hold = asyncio.Event()
    stage.sends.online(stage.engine)
    await stage.order()
    await until(lambda: stage.status is Status.SENDING)
    early = Advance(status=Status.DELIVERED, time=1.0, wa_id="wa1")
    assert await stage.sends.receipt(early) is None
    stage.engine.hold.set()
    await until(lambda: stage.status is Status.DELIVERED)
    assert stage.told() == ["sent", "delivered"]


async def test_a_former_owner_still_records_what_whatsapp_confirmed(stage: Stage):
    """The new owner made it `unknown`; the confirmation that we hold resolves that."""
    stage.engine.hold = asyncio.Event()
    stage.sends.online(stage.engine)
    await stage.order()
    await until(lambda: stage.status is Status.SENDING)
    stage.records.newest = 2
    stage.records.messages[ID].status = Status.UNKNOWN
    stage.engine.hold.set()
    await until(lambda: stage.status is Status.SENT)
    assert stage.told() == ["sent"]


async def test_nothing_begins_after_the_lease_is_lost(stage: Stage):
    """A job in its lane stays in its row."""
    await stage.order()
    stage.sends.lose()
    await asyncio.sleep(0.01)
    assert stage.status is Status.ACCEPTED
