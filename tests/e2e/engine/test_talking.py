"""Linked sessions talk: send, receive, quote, receipts, typing, in order."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.engine.processes import Refused

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def test_a_scanned_code_links_the_session(engines, sandbox, session):
    """QR, linked, online: in this order, with both identities."""
    phone = await engines.link(session)
    kinds = [event["kind"] for event in engines.of(session)]
    assert kinds == ["QrShown", "Linked", "Online"]
    shown, linked, online = engines.of(session)
    assert (shown["number"], shown["lifetime"]) == (1, 60.0)
    for event in (linked, online):
        assert event["jid"] == {"user": phone["number"], "server": "s.whatsapp.net"}
        assert event["lid"]["server"] == "lid"
    assert linked["device"] > 0


async def test_messages_go_both_ways(engines, sandbox, session):
    """What is sent arrives at the phone; what the phone sends arrives, with both identities."""
    me = await engines.link(session)
    other = await sandbox.phone(name="Other")
    sent = await engines.do("send", session, to=other["number"], text="hello")
    assert sent["wa_id"]
    assert sent["timestamp"] > 1_600_000_000
    [letter] = await sandbox("phone.inbox", phone=other["phone"], wait=10)
    assert letter["text"] == "hello"
    assert letter["id"] == sent["wa_id"]
    await sandbox("phone.send", phone=other["phone"], to=me["number"], text="hi there")
    got = await engines.event("Inbound", session)
    assert got["content"] == {"type": "text", "body": "hi there"}
    assert {got["sender"]["server"], got["sender_alt"]["server"]} == {"lid", "s.whatsapp.net"}
    assert {got["chat"]["server"], got["chat_alt"]["server"]} == {"lid", "s.whatsapp.net"}
    assert not got["from_me"]
    assert bytes.fromhex(got["raw"])


async def test_quotes_arrive_as_quotes(engines, sandbox, session):
    """A quoting text names the message it quotes at the other side, which is a session too."""
    other = f"{session}b"
    mine, theirs = await engines.link(session), await engines.link(other)
    first = await engines.do("send", session, to=theirs["number"], text="question")
    await engines.event("Inbound", other)
    quote = {"wa_id": first["wa_id"], "sender": mine["jid"], "text": "question"}
    await engines.do("send", other, to=mine["number"], text="answer", quote=quote)
    got = await engines.event("Inbound", session)
    assert got["content"]["body"] == "answer"
    assert got["context"] == {
        "message_id": first["wa_id"],
        "sender": mine["jid"],
        "quoted": {"type": "text", "body": "question"},
    }


@pytest.mark.proves("Presence", "received")
async def test_receipts_and_typing_travel(engines, sandbox, session):
    """Delivered and read receipts, typing and presence pass between two sessions."""
    other = f"{session}b"
    mine, theirs = await engines.link(session), await engines.link(other)
    sent = await engines.do("send", session, to=theirs["number"], text="read me")
    got = await engines.event("Inbound", other)
    chat = f"{got['chat']['user']}@{got['chat']['server']}"
    await engines.do("read", other, chat=chat, sender=chat, ids=[sent["wa_id"]])
    kinds: set[str] = set()
    for nth in range(1, 10):
        receipt = await engines.event("Receipt", session, nth=nth)
        assert receipt["wa_ids"] == [sent["wa_id"]]
        kinds.add(receipt["kind"])
        if "read" in kinds:
            break
    assert kinds == {"delivered", "read"}
    await engines.do("presence", session, online=True)
    await engines.do("presence", other, online=True)
    await engines.do("typing", other, chat=mine["number"], state="recording")
    assert (await engines.event("Typing", session))["state"] == "recording"


async def test_a_burst_arrives_in_order(engines, sandbox, session):
    """500 messages of one sender are handled in the order sent, one at a time."""
    me, other = await engines.link(session), await sandbox.phone(name="Burst")
    await asyncio.gather(
        *(
            sandbox("phone.send", phone=other["phone"], to=me["number"], text=f"m{i}", limit=60)
            for i in range(500)
        )
    )
    await engines.event("Inbound", session, nth=500, limit=60)
    sent = await sandbox("judge.sent", phone=other["phone"], limit=60)
    got = [event["content"]["body"] for event in engines.of(session, "Inbound")]
    assert sorted(got, key=lambda text: int(text[1:])) == [f"m{i}" for i in range(500)]
    ids = [event["wa_id"] for event in engines.of(session, "Inbound")]
    order = [entry["id"] for entry in sent if entry["id"] in set(ids)]
    assert ids == order
    assert not [event for event in engines.events if event["event"] == "overlap"]


async def test_groups_have_members_who_send(engines, sandbox, session):
    """A text in a group reaches the others; theirs comes with the group as chat."""
    me, other = await engines.link(session), await sandbox.phone()
    group = await sandbox(
        "group.create", phone=other["phone"], subject="Team", members=[me["phone"]]
    )
    jid = group["group"]
    await sandbox("phone.send", phone=other["phone"], to=jid, text="welcome")
    got = await engines.event("Inbound", session)
    assert (got["chat"], got["chat_alt"]) == (
        {"user": jid.partition("@")[0], "server": "g.us"},
        None,
    )
    assert other["number"] in {got["sender"]["user"], got["sender_alt"]["user"]}
    assert got["content"]["body"] == "welcome"
    await engines.do("send", session, to=jid, text="thanks")
    letters = await sandbox("phone.inbox", phone=other["phone"], wait=10)
    assert "thanks" in [letter["text"] for letter in letters]


async def test_a_failing_handler_does_not_stop_the_flow(engines, sandbox, session):
    """An exception in the handler is logged; the next event comes all the same."""
    me, other = await engines.link(session), await sandbox.phone()
    await engines.do("slow", session, seconds=-1)
    for text in ("one", "two"):
        await sandbox("phone.send", phone=other["phone"], to=me["number"], text=text)
    await engines.event("Inbound", session, nth=2)
    await engines.do("slow", session, seconds=0)


async def test_refused_sends_say_why(engines, sandbox, session):
    """A restricted account and an unknown recipient are failures with a code of their own."""
    phone, other = await engines.link(session), await sandbox.phone()
    with pytest.raises(Refused) as nobody:
        await engines.do("send", session, to="19995550000", text="x")
    assert (nobody.value.name, nobody.value.code) == ("SendFailed", "recipient_not_on_whatsapp")
    await sandbox("device.break", phone=phone["phone"], how="restricted")
    with pytest.raises(Refused) as restricted:
        await engines.do("send", session, to=other["number"], text="x")
    assert (restricted.value.name, restricted.value.code) == ("SendFailed", "account_restricted")


async def test_what_the_phone_sends_is_seen(engines, sandbox, session):
    """A message that the account's own phone sent comes as a copy, with the recipient as chat."""
    me, other = await engines.link(session), await sandbox.phone()
    await sandbox("phone.send", phone=me["phone"], to=other["number"], text="from my phone")
    got = await engines.event("Inbound", session)
    assert got["from_me"]
    assert other["number"] in {got["chat"]["user"], (got["chat_alt"] or {}).get("user")}


async def test_calls_of_a_session_that_is_not_online_are_refused(engines, session):
    """Nothing reaches the library before the session is linked: it would abort the process."""
    await engines.do("start", session)
    await engines.event("QrShown", session)
    for do, given in (
        ("send", {"to": "19995550000", "text": "x"}),
        ("read", {"chat": "19995550000", "sender": "19995550000", "ids": ["x"]}),
        ("typing", {"chat": "19995550000", "state": "typing"}),
        ("presence", {"online": True}),
        ("logout", {}),
    ):
        with pytest.raises(Refused) as refused:
            await engines.do(do, session, **given)
        assert refused.value.name == "EngineNotReady"
    await engines.do("stop", session)
    with pytest.raises(Refused):
        await engines.do("code", session, phone="19995550000")
