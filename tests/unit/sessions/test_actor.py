"""One session from claim to release."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from tests.unit.sessions.fakes import (
    FRIEND,
    MEDIA,
    Factory,
    Inbox,
    Log,
    Records,
    Row,
    owned,
    unknown,
    until,
    waiting,
    wanted,
)
from wa_api.domain.addresses import Jid
from wa_api.domain.chats import ChatKind
from wa_api.domain.commands import Command
from wa_api.domain.content import Image, Text
from wa_api.domain.groups import GetGroup, Group, GroupChanged
from wa_api.domain.ids import MessageId, WorkerId
from wa_api.domain.messages import Status
from wa_api.domain.proxies import Proxy
from wa_api.domain.sessions import Ignore, MediaPolicy, Reason, SessionSettings
from wa_api.store.rows import QueueRow, TakenOver
from wa_api.store.sealing import Sealer
from workers.engine import port
from workers.sessions import actor as module
from workers.sessions.actor import Actor, Means
from workers.sessions.verdicts import Leave
from workers.sessions.voice import Debts

INBOUND = port.Inbound(
    wa_id="A1",
    chat=FRIEND,
    chat_alt=None,
    sender=FRIEND,
    sender_alt=None,
    from_me=False,
    push_name="Friend",
    timestamp=1.0,
    content=Text(body="hi"),
)
ONLINE = port.Online(FRIEND, None, "Me")


def command(name: str, **data: object) -> Command:
    """A command that is good for ten seconds."""
    lane = str(data.get("to", ""))
    return Command(
        id=f"cmd_{name}_{len(data)}",
        tenant="ten_1",
        session="ses_1",
        name=name,
        data=data,
        deadline=time.time() + 10,
        lane=lane,
        reply_to="a caller",
    )


@dataclass
class Stage:
    """An actor and everything around it."""

    records: Records = field(default_factory=Records)
    log: Log = field(default_factory=Log)
    inbox: Inbox = field(default_factory=Inbox)
    factory: Factory = field(default_factory=Factory)
    debts: Debts = field(default_factory=Debts)
    restriction_seconds: float = 60.0
    actor: Actor | None = None
    task: asyncio.Task[None] | None = None

    async def begin(self, linked: bool = True, sealer: Sealer | None = None) -> Actor:
        """Run the actor until its engine is started."""
        means = Means(
            self.records,
            self.log,
            self.inbox,
            self.factory,
            self.debts,
            MEDIA,
            self.restriction_seconds,
            sealer,
        )
        jid = str(FRIEND) if linked else None
        self.actor = Actor(wanted(jid=jid), owned(), means)
        self.task = asyncio.create_task(self.actor.run(Reason.REQUESTED))
        await until(lambda: self.factory.engines and self.factory.engine.started)
        return self.actor

    async def online(self) -> Actor:
        """Run it until it is connected."""
        actor = await self.begin()
        await self.factory.engine.emit(ONLINE)
        return actor

    def told(self) -> list[str]:
        """Ids of the messages that readers were told of, in order."""
        return [data.message.id for data in self.log.said("message.received")]

    def states(self) -> list[str]:
        """What readers were told."""
        return [data.state for data in self.log.said("session.state_changed")]

    async def ended(self) -> None:
        """Wait for the end of its run."""
        assert self.task is not None
        await asyncio.wait_for(self.task, 5)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.02))
    made = Stage()
    yield made
    if made.actor is not None and made.task is not None:
        await made.actor.lose()
        await asyncio.wait_for(made.task, 5)


async def test_a_new_session_pairs_and_connects(stage: Stage):
    """Its readers see every state, and each QR code with its number."""
    await stage.begin(linked=False)
    engine = stage.factory.engine
    await engine.emit(port.QrShown("code", 1, 60.0))
    await engine.emit(port.Linked(FRIEND, None, 1))
    await engine.emit(ONLINE)
    assert stage.states() == ["starting", "pairing", "connected"]
    assert [data.number for data in stage.log.said("session.qr_issued")] == [1]
    assert stage.records.states[-1].reason is Reason.LINKED
    assert stage.records.states[-1].jid == str(FRIEND)


async def test_a_message_is_a_row_before_it_is_an_event(stage: Stage):
    """The handler returns when both are done; a repeated message is told once."""
    await stage.online()
    await stage.factory.engine.emit(INBOUND)
    await stage.factory.engine.emit(INBOUND)
    assert len(stage.records.inbound) == 1
    assert len(stage.log.said("message.received")) == 1


async def test_people_are_learned_once(stage: Stage):
    """Names and pairs of addresses are written when they are news, not with every message; a LID
    alone is looked up and recorded under its phone number.
    """
    lid = Jid("100000000000001", "lid")
    alone = replace(INBOUND, chat=lid, sender=lid)
    stage.records.pairs[str(lid)] = str(FRIEND)
    await stage.online()
    for n, fact in enumerate((INBOUND, alone, alone, replace(INBOUND, push_name="Fred"))):
        await stage.factory.engine.emit(replace(fact, wa_id=f"A{n}"))
    assert [(one.lid, one.push_name) for one in stage.records.learned] == [
        (None, "Friend"),
        (None, "Fred"),
    ]
    recorded = stage.records.inbound["A1"]
    assert (recorded.chat_alt, recorded.sender_alt) == (FRIEND, FRIEND)


async def test_an_ignored_chat_is_neither_kept_nor_told(stage: Stage):
    """From the change of the settings on: no message, no file, no typing, no receipt of members."""
    actor = await stage.online()
    group = Jid("120363000000000001", "g.us")
    photo = Image(mimetype="image/jpeg", size=1)
    settings = SessionSettings(
        ignore=Ignore(kinds=[ChatKind.GROUP]), media=MediaPolicy(kinds=["image"])
    )
    actor.adopt(replace(wanted(), settings=settings))
    emit = stage.factory.engine.emit
    await emit(replace(INBOUND, chat=group, content=photo))
    await emit(port.Typing(group, FRIEND, "typing"))
    await emit(port.Receipt(("A0",), group, FRIEND, "delivered", 1.0))
    await emit(port.News((GroupChanged(group=str(group), name="new"),)))
    assert stage.records.inbound == {}
    assert [one.type for one in stage.log.events] == ["session.state_changed"] * 2
    actor.adopt(wanted())
    await emit(replace(INBOUND, chat=group))
    assert len(stage.log.said("message.received")) == 1


async def test_another_proxy_means_another_connection(stage: Stage):
    """The engine is replaced by one that goes through it; the same one changes nothing."""
    sealer = Sealer(["x" * 32])
    actor = await stage.begin(sealer=sealer)
    await stage.factory.engine.emit(ONLINE)
    through = replace(wanted(), proxy=sealer.seal("socks5://me:secret@proxy.example:1"))
    actor.adopt(through)
    assert not actor.follows(wanted())
    await until(lambda: len(stage.factory.engines) == 2)
    await stage.factory.engine.emit(ONLINE)
    actor.adopt(through)
    assert stage.factory.proxies == [None, Proxy("socks5", "proxy.example", 1, "me", "secret")]
    assert stage.states() == ["starting", "connected", "starting", "connected"]


async def test_a_proxy_that_cannot_be_read_is_not_gone_around(stage: Stage):
    """Its key is lost: the session fails, and nothing connects."""
    actor = await stage.begin(sealer=Sealer(["x" * 32]))
    actor.adopt(replace(wanted(), proxy=Sealer(["y" * 32]).seal("http://proxy.example:1")))
    await stage.ended()
    assert stage.states()[-1] == "failed"
    assert stage.log.said("session.state_changed")[-1].reason == Reason.PROXY_FAILED
    assert len(stage.factory.engines) == 1


async def test_a_proxy_that_fails_is_told_once_for_each_reason(stage: Stage):
    """While it tries, also after the connection was lost; then it is back."""
    await stage.online()
    emit = stage.factory.engine.emit
    await emit(port.Offline("The connection was lost."))
    for why in ("no answer", "no answer", "refused", "refused"):
        await emit(port.Offline(why, Reason.PROXY_FAILED))
    await emit(ONLINE)
    told = [(one.state, one.reason, one.detail) for one in stage.log.said("session.state_changed")]
    assert told[2:] == [
        ("reconnecting", "connection_lost", "The connection was lost."),
        ("starting", "proxy_failed", "no answer"),
        ("starting", "proxy_failed", "refused"),
        ("connected", "restored", None),
    ]


async def test_the_engine_waits_while_the_database_is_away(stage: Stage):
    """Back-pressure instead of loss: the message is recorded when the database is back."""
    await stage.online()
    stage.records.away = True
    handing = asyncio.create_task(stage.factory.engine.emit(INBOUND))
    await asyncio.sleep(0.02)
    assert not handing.done()
    stage.records.away = False
    await asyncio.wait_for(handing, 5)
    assert len(stage.log.said("message.received")) == 1


async def test_a_recorded_message_is_told_by_the_next_owner(stage: Stage):
    """An owner that was cut off between row and event leaves it to its successor, once."""
    stage.records.inbound = {each: replace(INBOUND, wa_id=each) for each in ("A1", "A2")}
    stage.log.marks["ses_1/in"] = "msg_A1"
    await stage.online()
    assert [data.message.id for data in stage.log.said("message.received")] == ["msg_A2"]


async def test_a_fenced_owner_does_not_tell_what_its_successor_will(stage: Stage):
    """Its row stays; the event is the new owner's to append."""
    await stage.online()
    stage.log.newest = 2
    await stage.factory.engine.emit(INBOUND)
    await stage.ended()
    assert stage.records.inbound
    assert stage.log.said("message.received") == []


async def test_an_append_of_unknown_outcome_is_not_doubled(stage: Stage):
    """Redis did it and did not answer: the repetition changes nothing."""
    await stage.online()
    stage.log.deaf = True
    await stage.factory.engine.emit(INBOUND)
    await stage.factory.engine.emit(replace(INBOUND, wa_id="A2"))
    await until(lambda: len(stage.told()) == 2)
    assert stage.told() == ["msg_A1", "msg_A2"]


async def test_the_engine_goes_on_while_redis_is_away(stage: Stage):
    """What arrives is recorded at once, and told in order when Redis is back."""
    await stage.online()
    stage.log.away = True
    for each in ("A1", "A2", "A3"):
        async with asyncio.timeout(0.2):
            await stage.factory.engine.emit(replace(INBOUND, wa_id=each))
    assert list(stage.records.inbound) == ["A1", "A2", "A3"]
    stage.log.away = False
    await until(lambda: len(stage.told()) == 3)
    await stage.factory.engine.emit(replace(INBOUND, wa_id="A4"))
    assert stage.told() == ["msg_A1", "msg_A2", "msg_A3", "msg_A4"]


async def test_news_are_told_in_order_once_redis_is_back(stage: Stage):
    """The engine goes on meanwhile; what Redis took without an answer is not told twice."""
    await stage.online()
    stage.log.away = True
    for name in ("one", "two"):
        async with asyncio.timeout(0.2):
            await stage.factory.engine.emit(port.News((GroupChanged(group="g", name=name),)))
    stage.log.away, stage.log.deaf = False, True
    await until(lambda: len(stage.log.said("group.changed")) == 2)
    await stage.factory.engine.emit(port.News((GroupChanged(group="g", name="three"),)))
    await until(lambda: len(stage.debts) == 0)
    assert [data.name for data in stage.log.said("group.changed")] == ["one", "two", "three"]


async def test_an_ask_is_answered_by_the_engine(stage: Stage):
    """The actor passes any ask on and replies with what came of it, or why not."""
    await stage.online()
    engine = stage.factory.engine
    engine.answer = Group(id="1@g.us", name="Team")
    assert stage.inbox.handler is not None
    await stage.inbox.handler(command("group.get", group="1@g.us"))
    await until(lambda: len(stage.inbox.replies) == 1)
    assert engine.asked == [GetGroup(group="1@g.us")]
    assert stage.inbox.replies[0].data == {"id": "1@g.us", "name": "Team"}
    engine.failure = port.CallFailed("not_in_group", "not there")
    await stage.inbox.handler(command("group.leave", group="1@g.us"))
    await until(lambda: len(stage.inbox.replies) == 2)
    error = stage.inbox.replies[1].error
    assert error is not None
    assert error.code == "not_in_group"


async def test_what_redis_forgot_is_told_again(stage: Stage):
    """It crashed and went back: the owner sees it at its next append, and tells from the rows."""
    await stage.online()
    for each in ("A1", "A2"):
        await stage.factory.engine.emit(replace(INBOUND, wa_id=each))
    stage.log.marks["ses_1/in"] = "msg_A1"
    await stage.factory.engine.emit(replace(INBOUND, wa_id="A3"))
    await until(lambda: len(stage.told()) == 4)
    assert stage.told() == ["msg_A1", "msg_A2", "msg_A2", "msg_A3"]


async def test_an_emptied_redis_loses_nothing_that_is_a_row(stage: Stage):
    """The archive says how far readers were told."""
    stage.records.inbound = {each: replace(INBOUND, wa_id=each) for each in ("A1", "A2")}
    stage.records.archived = MessageId("msg_A1")
    await stage.online()
    assert stage.told() == ["msg_A2"]


async def test_a_message_whose_recording_had_an_unknown_outcome_is_told(stage: Stage):
    """The database committed it and did not answer: the repetition finds the row."""
    await stage.online()
    stage.records.inbound["A1"] = replace(INBOUND, wa_id="A1")
    await stage.factory.engine.emit(replace(INBOUND, wa_id="A1"))
    await until(stage.told)
    assert stage.told() == ["msg_A1"]


async def test_a_fenced_owner_stops(stage: Stage):
    """A newer epoch in the database ends the run, and the engine with it."""
    await stage.online()
    stage.records.newest = 2
    await stage.factory.engine.emit(INBOUND)
    await stage.ended()
    assert stage.factory.engine.stopped
    assert stage.log.said("message.received") == []


async def test_losing_the_lease_stops_the_engine_at_once(stage: Stage):
    """When `lose` returns nothing is connected, whatever else hangs."""
    actor = await stage.online()
    stage.records.away = True
    handing = asyncio.create_task(stage.factory.engine.emit(INBOUND))
    await actor.lose()
    assert stage.factory.engine.stopped
    stage.records.away = False
    await asyncio.wait_for(handing, 5)
    await stage.ended()


async def test_what_arrives_as_the_lease_is_lost_is_still_recorded(stage: Stage):
    """Redis hangs: the engine can stop at once, and the next owner tells the message."""
    actor = await stage.online()
    stage.log.hangs = True
    handing = asyncio.create_task(stage.factory.engine.emit(INBOUND))
    await until(lambda: stage.records.inbound)
    async with asyncio.timeout(0.2):
        await actor.lose()
        await handing
    await stage.factory.engine.emit(replace(INBOUND, wa_id="A2"))
    assert list(stage.records.inbound) == ["A1", "A2"]
    stage.log.hangs = False


async def test_a_receipt_in_hand_does_not_hold_the_stop_up(stage: Stage):
    """Redis hangs as the lease is lost: what must still be said is said later."""
    actor = await stage.online()
    stage.records.messages[MessageId("msg_1")] = Row(Status.SENT, "wa1")
    stage.log.hangs = True
    receipt = port.Receipt(("wa1",), FRIEND, FRIEND, "delivered", 1.0)
    handing = asyncio.create_task(stage.factory.engine.emit(receipt))
    await until(lambda: stage.records.messages[MessageId("msg_1")].status is Status.DELIVERED)
    async with asyncio.timeout(0.2):
        await actor.lose()
        await handing
    stage.log.hangs = False
    await until(lambda: stage.log.said("message.status_changed"))


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
