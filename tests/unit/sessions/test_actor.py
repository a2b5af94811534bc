"""One session: what it records and tells, and what it does when something is away."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.unit.sessions.actor_stage import INBOUND, ONLINE, Stage, command
from tests.unit.sessions.fakes import (
    FRIEND,
    Row,
    until,
    wanted,
)
from wa_api.domain.addresses import Jid
from wa_api.domain.chats import ChatKind
from wa_api.domain.content import Image
from wa_api.domain.groups import GetGroup, Group, GroupChanged
from wa_api.domain.ids import MessageId
from wa_api.domain.messages import Status
from wa_api.domain.proxies import Proxy
from wa_api.domain.sessions import Ignore, MediaPolicy, Reason, SessionSettings
from wa_api.store.sealing import Sealer
from workers.engine import port


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
        async with asyncio.timeout(2):
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
        async with asyncio.timeout(2):
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
    async with asyncio.timeout(2):
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
    async with asyncio.timeout(2):
        await actor.lose()
        await handing
    stage.log.hangs = False
    await until(lambda: stage.log.said("message.status_changed"))
