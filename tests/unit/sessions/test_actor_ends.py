"""One session: how its engine ends, how it is let go, and what it is told to do."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.unit.sessions.actor_stage import ONLINE, Stage, command
from tests.unit.sessions.fakes import (
    FRIEND,
    Row,
    unknown,
    until,
    waiting,
)
from wa_api.domain.ids import MessageId, WorkerId
from wa_api.domain.messages import Status
from wa_api.domain.sessions import Reason
from wa_api.store.rows import QueueRow, TakenOver
from workers.engine import port
from workers.sessions import actor as module
from workers.sessions.verdicts import Leave


async def test_an_engine_that_ends_for_now_is_replaced(stage: Stage):
    """A passing error keeps the session here, with a new engine after a pause."""
    await stage.online()
    first = stage.factory.engine
    await first.emit(port.Ended(Reason.SERVICE_UNAVAILABLE))
    await until(lambda: len(stage.factory.engines) == 2 and stage.factory.engine.started)
    assert first.stopped
    await stage.factory.engine.emit(ONLINE)
    assert stage.states() == ["starting", "connected", "reconnecting", "connected"]


async def test_an_engine_that_always_fails_fails_the_session(stage: Stage):
    """After a few tries in a row the session has failed, and says why."""
    await stage.begin()
    for number in range(module.ENGINE_ERRORS + 1):
        await until(lambda n=number: len(stage.factory.engines) == n + 1)
        await until(lambda: stage.factory.engine.started)
        await stage.factory.engine.emit(port.Ended(Reason.ENGINE_ERROR, "broken"))
    await stage.ended()
    assert stage.states()[-1] == "failed"


@pytest.mark.parametrize(
    ("reason", "state", "forgets"),
    [
        (Reason.LOGGED_OUT_ON_PHONE, "logged_out", True),
        (Reason.STREAM_REPLACED, "replaced", False),
        (Reason.PERMANENT_BAN, "banned", False),
        (Reason.CLIENT_OUTDATED, "outdated", False),
        (Reason.PASSKEY_REQUIRED, "passkey_required", False),
        (Reason.QR_TIMED_OUT, "failed", False),
    ],
)
async def test_an_end_for_good_is_told_and_the_session_let_go(
    stage: Stage, reason: Reason, state: str, forgets: bool
):
    """Only a removed link deletes the device store."""
    await stage.online()
    await stage.factory.engine.emit(port.Ended(reason))
    await stage.ended()
    assert stage.states()[-1] == state
    assert bool(stage.factory.forgotten) is forgets
    assert stage.factory.engine.stopped


async def test_a_temporary_ban_says_until_when(stage: Stage):
    """Nobody tries again before the ban is over."""
    await stage.online()
    await stage.factory.engine.emit(port.Ended(Reason.TEMPORARY_BAN, until=5_000_000_000.0))
    await stage.ended()
    assert stage.records.states[-1].until == 5_000_000_000.0


async def test_a_refused_first_contact_restricts_the_session_for_a_while(stage: Stage):
    """The state says until when, and returns by itself."""
    stage.restriction_seconds = 0.05
    await stage.online()
    stage.factory.engine.failure = port.SendFailed("account_restricted", "463")
    message = MessageId("msg_1")
    stage.records.messages[message] = Row()
    await stage.inbox.deliver(command("message.send", id=message, to="5511999990002"))
    await until(lambda: stage.states()[-1] == "restricted")
    assert stage.records.states[-1].until is not None
    stage.factory.engine.failure = None
    await until(lambda: stage.states()[-1] == "connected")
    assert stage.records.states[-1].reason is Reason.RESTRICTION_ENDED
    await until(lambda: stage.records.messages[message].status is Status.SENT)


async def test_a_new_owner_knows_of_a_restriction(stage: Stage):
    """It comes online as restricted, and leaves that state in time."""
    stage.records.queue_row = QueueRow(restricted_until=time.time() + 0.05)
    await stage.online()
    assert stage.states()[-1] == "restricted"
    assert stage.records.states[-1].jid == str(FRIEND)
    await until(lambda: stage.states()[-1] == "connected")


async def test_a_lost_connection_does_not_end_a_restriction(stage: Stage):
    """Online again, it is restricted again."""
    stage.records.queue_row = QueueRow(restricted_until=time.time() + 60)
    await stage.online()
    await stage.factory.engine.emit(port.Offline())
    await stage.factory.engine.emit(ONLINE)
    assert stage.states()[-3:] == ["restricted", "reconnecting", "restricted"]


async def test_a_number_begins_its_first_day_when_it_is_linked(stage: Stage):
    """Not when its session was made."""
    await stage.begin(linked=False)
    await stage.factory.engine.emit(port.QrShown("code", 1, 60.0))
    assert stage.records.queue_row.linked_at is None
    await stage.factory.engine.emit(ONLINE)
    assert stage.records.queue_row.linked_at is not None


async def test_a_hand_over_finishes_what_is_in_hand(stage: Stage):
    """The send under way ends and is answered; the next one is left to the successor."""
    actor = await stage.online()
    engine = stage.factory.engine
    engine.hold = asyncio.Event()
    for name in ("msg_1", "msg_2"):
        stage.records.messages[MessageId(name)] = Row()
        await stage.inbox.deliver(command("message.send", id=name, to="chat"))
    await until(lambda: stage.records.messages[MessageId("msg_1")].status is Status.SENDING)
    assert actor.judge(Leave(WorkerId("wrk_other")))
    await asyncio.sleep(0.01)
    engine.hold.set()
    await stage.ended()
    assert stage.records.messages[MessageId("msg_1")].status is Status.SENT
    assert stage.records.messages[MessageId("msg_2")].status is Status.ACCEPTED
    assert [reply.data["status"] for reply in stage.inbox.replies if reply.data] == ["sent"]
    assert actor.left
    assert actor.successor == "wrk_other"


async def test_leaving_without_a_successor_is_told(stage: Stage):
    """Readers learn that the session is not online for now."""
    actor = await stage.online()
    actor.judge(Leave())
    await stage.ended()
    assert stage.states()[-1] == "reconnecting"


async def test_what_an_earlier_owner_left_is_sent_or_told(stage: Stage):
    """Waiting messages go out in order; those that were being sent are unknown."""
    stage.records.left = TakenOver([waiting("msg_1"), waiting("msg_2")], [unknown("msg_0")])
    stage.records.messages |= {MessageId("msg_1"): Row(), MessageId("msg_2"): Row()}
    await stage.online()
    await until(lambda: len(stage.factory.engine.sent) == 2)
    assert [content.body for _, content in stage.factory.engine.sent] == ["msg_1", "msg_2"]
    assert stage.log.said("message.status_changed")[0].status is Status.UNKNOWN


async def test_stop_is_answered_after_the_state_was_told(stage: Stage):
    """Whoever asked can rely on the row."""
    await stage.online()
    await stage.inbox.deliver(command("session.stop"))
    await stage.ended()
    assert stage.states()[-1] == "stopped"
    assert [reply.error for reply in stage.inbox.replies] == [None]


async def test_restart_makes_a_new_engine(stage: Stage):
    """The old one is gone before the new one starts; the caller is answered."""
    await stage.online()
    first = stage.factory.engine
    await stage.inbox.deliver(command("session.restart"))
    await until(lambda: len(stage.factory.engines) == 2)
    assert first.stopped
    await until(lambda: stage.inbox.replies)


async def test_logout_removes_the_link_and_the_store(stage: Stage):
    """The phone's list is cleaned first, then ours."""
    await stage.online()
    await stage.inbox.deliver(command("session.logout"))
    await stage.ended()
    assert stage.states()[-1] == "logged_out"
    assert stage.factory.forgotten == ["ses_1"]
    assert ("logout",) in stage.factory.engine.calls


async def test_a_pairing_code_is_told_to_readers_too(stage: Stage):
    """It waits for the pairing to begin, and is asked for once."""
    await stage.begin(linked=False)
    await stage.inbox.deliver(command("session.pairing_code", phone="5511999999999"))
    await stage.factory.engine.emit(port.QrShown("code", 1, 60.0))
    await until(lambda: stage.inbox.replies)
    assert stage.inbox.replies[0].data is not None
    assert stage.inbox.replies[0].data["code"] == "ABCD1234"
    assert [data.code for data in stage.log.said("session.pairing_code_issued")] == ["ABCD1234"]


async def test_a_linked_session_gives_no_pairing_code(stage: Stage):
    """The refusal has its code."""
    await stage.online()
    await stage.inbox.deliver(command("session.pairing_code", phone="5511999999999"))
    await until(lambda: stage.inbox.replies)
    assert stage.inbox.replies[0].error is not None
    assert stage.inbox.replies[0].error.code == "session_already_linked"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("no.such", {}, "bad_request"),
        ("chat.typing", {"chat": "5511999999999", "state": "singing"}, "invalid_body"),
        ("chat.typing", {"chat": "?", "state": "typing"}, "invalid_address"),
        ("message.read", {"chat": "5511999999999"}, "invalid_body"),
    ],
)
async def test_bad_commands_are_refused(
    stage: Stage, name: str, data: dict[str, object], code: str
):
    """Every command is answered, with a stable code."""
    await stage.online()
    await stage.inbox.deliver(command(name, **data))
    await until(lambda: stage.inbox.replies)
    assert stage.inbox.replies[0].error is not None
    assert stage.inbox.replies[0].error.code == code


async def test_reading_and_typing_reach_the_engine(stage: Stage):
    """Read receipts go to the sender, who is the chat unless said otherwise."""
    await stage.online()
    chat = str(FRIEND)
    await stage.inbox.deliver(command("message.read", chat=chat, wa_ids=["A1"]))
    await stage.inbox.deliver(command("chat.typing", chat=chat, state="typing"))
    await until(lambda: len(stage.inbox.replies) == 2)
    assert stage.factory.engine.calls == [
        ("read", chat, chat, ["A1"]),
        ("typing", chat, "typing"),
    ]
