"""Messages, receipts and presence between the unmodified engine and virtual phones."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def sandbox(shared):
    """These tests restart nothing: one network is enough."""
    return shared


@pytest.fixture
async def pair(sandbox, engines):
    """An engine linked to one phone, and a friend's phone."""
    phone, friend = await sandbox.phone(name="Ana"), await sandbox.phone(name="Bob")
    engine = await engines("ana")
    await engine.link(phone)
    return engine, phone, friend


async def test_a_phone_reads_what_the_engine_sends(sandbox, pair):
    """The friend decrypts the text; the sender's own phone gets its copy."""
    engine, phone, friend = pair
    sent = await engine.do("text", to=friend["number"], text="olá")
    letter = await sandbox.received(friend, "olá")
    assert (letter["id"], letter["from_me"]) == (sent["id"], False)
    assert letter["chat_pn"] == phone["jid"]
    copy = await sandbox.received(phone, "olá")
    assert (copy["id"], copy["from_me"], copy["chat_pn"]) == (sent["id"], True, friend["jid"])
    arrived = await sandbox.call("judge.arrived")
    assert [(a["id"], a["kind"], a["text"]) for a in arrived] == [(sent["id"], "message", "olá")]


async def test_the_engine_reads_what_a_phone_sends(sandbox, pair):
    """The text arrives with the sender's number and name, and is confirmed."""
    engine, phone, friend = pair
    for number in range(3):
        await sandbox.call(
            "phone.send", phone=friend["phone"], to=phone["number"], text=f"hi {number}"
        )
    for number in range(3):
        message = await engine.wait("message", text=f"hi {number}")
    assert (message["from_me"], message["name"]) == (False, "Bob")
    assert message["sender_alt"] == friend["jid"]
    await sandbox.noted(friend, kind="receipt", ids=[message["id"]])


async def test_the_engine_sees_what_its_own_phone_sends(sandbox, pair):
    """A message that was typed on the phone arrives as one's own, in the right chat."""
    engine, phone, friend = pair
    await sandbox.call("phone.send", phone=phone["phone"], to=friend["number"], text="from phone")
    message = await engine.wait("message", text="from phone")
    assert (message["from_me"], message["chat"]) == (True, friend["lid"])


async def test_two_engines_talk(sandbox, engines, pair):
    """Two linked numbers exchange texts both ways; each goes to three devices."""
    engine, phone, friend = pair
    other = await engines("bob")
    await other.link(friend)
    await engine.do("text", to=friend["number"], text="ping")
    assert (await other.wait("message", text="ping"))["sender_alt"].startswith(phone["number"])
    await other.do("text", to=phone["number"], text="pong")
    assert (await engine.wait("message", text="pong"))["name"] == "Bob"
    await sandbox.received(phone, "pong")
    await sandbox.received(friend, "ping")


async def test_receipts_come_back(sandbox, pair):
    """The engine hears that its message was delivered and read; the friend that his was read."""
    engine, phone, friend = pair
    sent = await engine.do("text", to=friend["number"], text="read me")
    await engine.wait("receipt", type="DELIVERED", ids=[sent["id"]])
    await sandbox.received(friend, "read me")
    await sandbox.call("phone.read", phone=friend["phone"], ids=[sent["id"]])
    await engine.wait("receipt", type="READ", ids=[sent["id"]])
    await sandbox.call("phone.send", phone=friend["phone"], to=phone["number"], text="and me")
    message = await engine.wait("message", text="and me")
    await engine.do("read", ids=[message["id"]], chat=message["chat"])
    await sandbox.noted(friend, kind="receipt", state="read", ids=[message["id"]])


async def test_typing_and_presence_are_seen_both_ways(sandbox, pair):
    """Once the engine is available it hears of typing, and its own is heard."""
    engine, phone, friend = pair
    await sandbox.call("phone.send", phone=friend["phone"], to=phone["number"], text="hello")
    chat = (await engine.wait("message", text="hello"))["chat"]
    await engine.available()
    await sandbox.noted(friend, kind="presence", sender=phone["jid"], state="available")
    await engine.do("subscribe", to=chat)
    since = engine.mark()
    await sandbox.call("phone.presence", phone=friend["phone"], available=True)
    await engine.wait("presence", since, unavailable=False)
    await sandbox.call("phone.typing", phone=friend["phone"], to=phone["number"])
    await engine.wait("typing", chat=chat)
    await engine.do("typing", to=chat)
    await sandbox.noted(friend, kind="typing", state="typing")


async def test_messages_wait_for_a_device_that_is_away(sandbox, engines, pair):
    """What was sent meanwhile arrives at the next login, in order, and is announced."""
    engine, phone, friend = pair
    await engine.stop()
    for number in range(5):
        await sandbox.call(
            "phone.send", phone=friend["phone"], to=phone["number"], text=f"late {number}"
        )
    second = await engines("ana")
    await second.do("connect")
    await second.wait("message", text="late 4")
    await second.wait("backlog")
    texts = [fact["text"] for fact in second.facts if fact["event"] == "message"]
    assert [text for text in texts if text] == [f"late {number}" for number in range(5)]


async def test_messages_wait_for_a_phone_that_is_offline(sandbox, pair):
    """An offline phone neither reads nor confirms; back online it does both."""
    engine, _, friend = pair
    await sandbox.call("phone.online", phone=friend["phone"], online=False)
    sent = await engine.do("text", to=friend["number"], text="wait")
    assert await sandbox.call("phone.inbox", phone=friend["phone"]) == []
    back = await sandbox.call("phone.online", phone=friend["phone"], online=True)
    assert back["waited"] == 1
    await sandbox.received(friend, "wait")
    await engine.wait("receipt", type="DELIVERED", ids=[sent["id"]])


async def test_a_phone_asks_again_for_what_it_cannot_decrypt(sandbox, pair):
    """With its session lost, the friend requests a retry, and reads the engine's resend."""
    engine, phone, friend = pair
    await engine.do("text", to=friend["number"], text="first")
    await sandbox.received(friend, "first")
    await sandbox.call("phone.send", phone=friend["phone"], to=phone["number"], text="answer")
    await engine.wait("message", text="answer")
    await sandbox.call("phone.forget_sessions", phone=friend["phone"])
    await engine.do("text", to=friend["number"], text="second")
    letter = await sandbox.received(friend, "second")
    assert letter["retries"] >= 1


async def test_the_engine_asks_again_and_the_phone_sends_again(sandbox, pair):
    """A message that the engine could not decrypt reaches it by the phone's resend."""
    engine, phone, friend = pair
    send = {"phone": friend["phone"], "to": phone["number"]}
    await sandbox.call("phone.send", **send, text="first")
    await engine.wait("message", text="first")
    await sandbox.call("phone.garble", phone=friend["phone"])
    await sandbox.call("phone.send", **send, text="garbled")
    await engine.wait("message", text="garbled")


async def test_numbers_are_told_from_those_without_an_account(sandbox, pair):
    """The number check knows who has an account."""
    engine, _, friend = pair
    found = await engine.do("exists", numbers=[friend["number"], "99900000000"])
    assert found["found"] == {friend["number"]: True, "99900000000": False}


async def test_a_group_message_is_read_by_all_members(sandbox, engines, pair):
    """Sender keys both ways: engine to phones, and phone to engine."""
    engine, phone, friend = pair
    third = await sandbox.phone(name="Cid")
    members = [friend["number"], third["number"]]
    group = (await engine.do("group", name="Trio", members=members))["group"]
    await engine.do("text", to=group, text="to all")
    for member in (friend, third, phone):
        letter = await sandbox.received(member, "to all")
        assert letter["chat"] == group
    await sandbox.call("phone.send", phone=third["phone"], to=group, text="to all too")
    message = await engine.wait("message", text="to all too")
    assert (message["group"], message["chat"], message["name"]) == (True, group, "Cid")


async def test_media_goes_through_the_media_host(sandbox, pair, tmp_path):
    """A picture that the engine uploads is decrypted by the phone, unchanged."""
    from hashlib import sha256

    from PIL import Image

    engine, _, friend = pair
    file = tmp_path / "picture.jpg"
    Image.new("RGB", (64, 48), "teal").save(file)
    sent = await engine.do("image", to=friend["number"], file=str(file))
    await sandbox.received(friend, "a picture")
    media = await sandbox.call("phone.media", phone=friend["phone"], id=sent["id"])
    assert media["sha256"] == sha256(file.read_bytes()).hexdigest()
    assert (media["type"], media["matches"]) == ("imageMessage", True)


async def test_profiles_are_kept(sandbox, engines, pair):
    """A picture and an about text that one engine sets are seen by another."""
    engine, phone, friend = pair
    other = await engines("bob")
    await other.link(friend)
    await engine.do("photo", data="/9j/4AAQSkZJRg==")
    await engine.do("about", text="Busy")
    info = await other.do("profile", of=phone["number"])
    assert (info["about"], bool(info["picture"])) == ("Busy", True)


async def test_a_device_that_is_linked_later_gets_the_next_message(sandbox, engines, pair):
    """Who had the device list cached is told that it changed."""
    engine, _, friend = pair
    await engine.do("text", to=friend["number"], text="before")
    await sandbox.received(friend, "before")
    other = await engines("bob")
    linked = await other.link(friend)
    await engine.do("text", to=friend["number"], text="after")
    await other.wait("message", text="after")
    await sandbox.call("phone.unlink", phone=friend["phone"], device=linked["device"])
    await other.wait("logged_out")
    await engine.do("text", to=friend["number"], text="at last")
    await sandbox.received(friend, "at last")
