"""What surrounds content: quotes, mentions, forwards, disappearing, typing, status, retries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.content.conftest import Stage
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]


def info(letter: dict[str, Any]) -> dict[str, Any]:
    """The ContextInfo of a text in a phone's inbox."""
    found: dict[str, Any] = letter["message"]["extendedTextMessage"]["contextInfo"]
    return found


@pytest.mark.proves("Reply", "sent", "rest")
async def test_a_reply_quotes_the_real_message(stage: Stage) -> None:
    """By our id or WhatsApp's, theirs or our own: the phone finds id, author and content."""
    got = await stage.arrives({"conversation": "question"})
    mine = await stage.send("text", {"body": "mine"})
    for ref, wa_id, author, body in (
        (got["id"], got["wa_id"], stage.friend["lid"], "question"),
        (got["wa_id"], got["wa_id"], stage.friend["lid"], "question"),
        (mine["id"], mine["wa_id"], stage.me["jid"], "mine"),
    ):
        sent = await stage.send("text", {"body": "answer"}, context={"message_id": ref})
        quote = info(await stage.inbox(sent["wa_id"]))
        assert quote["stanzaID"] == wa_id
        assert quote["participant"] == author
        assert quote["quotedMessage"]["conversation"] == body


@pytest.mark.proves("Reply", "received", "websocket")
async def test_a_reply_arrives_with_its_quote(stage: Stage) -> None:
    """The message says which one it answers and what that one said."""
    mine = await stage.send("text", {"body": "question"})
    quote = {
        "stanzaID": mine["wa_id"],
        "participant": stage.me["lid"],
        "quotedMessage": {"conversation": "question"},
    }
    got = await stage.arrives({"extendedTextMessage": {"text": "answer", "contextInfo": quote}})
    assert got["context"] == {
        "message_id": mine["wa_id"],
        "sender": stage.me["lid"],
        "quoted": {"type": "text", "body": "question"},
    }


@pytest.mark.proves("Mentions", "sent", "rest")
@pytest.mark.proves("Mention all", "sent", "rest")
async def test_mentions_go_out(stage: Stage) -> None:
    """People by number or LID, and everybody in a group."""
    context = {"mentions": [stage.friend["number"], stage.friend["lid"]], "mention_all": True}
    text = {"body": f"@{stage.friend['number']} look"}
    sent = await stage.send("text", text, to=stage.group, context=context)
    about = info(await stage.inbox(sent["wa_id"]))
    assert about["mentionedJID"] == [stage.friend["jid"], stage.friend["lid"]]
    assert about["nonJIDMentions"] == 1


@pytest.mark.proves("Mentions", "received", "websocket")
@pytest.mark.proves("Mention all", "received", "websocket")
async def test_mentions_come_in(stage: Stage) -> None:
    """Who was mentioned stands in the context."""
    about = {"mentionedJID": [stage.me["lid"]], "nonJIDMentions": 1}
    message = {"extendedTextMessage": {"text": "@you", "contextInfo": about}}
    got = await stage.received(await stage.say(to=stage.group, message=message))
    assert got["context"] == {"mentions": [stage.me["lid"]], "mention_all": True}


@pytest.mark.proves("Forward", "sent", "rest")
async def test_a_message_is_forwarded(stage: Stage) -> None:
    """As it now is, marked as forwarded once more often; without its own quote."""
    about = {"isForwarded": True, "forwardingScore": 3}
    got = await stage.arrives({"extendedTextMessage": {"text": "hear", "contextInfo": about}})
    sent = await stage.send("forward", {"message_id": got["id"]}, to=stage.group)
    assert (sent["type"], sent["text"]) == ("text", {"body": "hear"})
    assert sent["context"]["forwarding_score"] == 4
    letter = await stage.inbox(sent["wa_id"])
    assert letter["message"]["extendedTextMessage"]["text"] == "hear"
    assert info(letter) == {"isForwarded": True, "forwardingScore": 4}


@pytest.mark.proves("Forward", "received", "websocket")
@pytest.mark.proves("Disappearing messages", "received", "websocket")
async def test_forwarded_and_disappearing_messages_say_so(stage: Stage) -> None:
    """The context has the score and the time to live."""
    about = {"isForwarded": True, "forwardingScore": 127, "expiration": 86_400}
    got = await stage.arrives({"extendedTextMessage": {"text": "x", "contextInfo": about}})
    assert got["context"] == {"forwarding_score": 127, "disappears_after": 86_400}


@pytest.mark.proves("Disappearing messages", "sent", "rest")
async def test_a_message_disappears(stage: Stage) -> None:
    """The phone is told how long to keep it."""
    sent = await stage.send("text", {"body": "gone"}, context={"disappears_after": 86_400})
    assert info(await stage.inbox(sent["wa_id"])) == {"expiration": 86_400}


@pytest.mark.parametrize("way", ["rest", "websocket", "batch", "scheduled"])
@pytest.mark.proves("Typing simulated before a send", "sent", "rest", "websocket")
async def test_typing_is_shown_before_a_send(stage: Stage, way: str) -> None:
    """The phone sees it in this order: typing, then the message."""
    path = f"/sandbox/phones/{stage.friend['phone']}/events"
    before = (await stage.tenant.rest.get(path, limit=1000))["items"]
    last = before[-1]["number"] if before else 0
    if way in ("rest", "websocket"):
        send = stage.command if way == "websocket" else stage.send
        sent = await send("text", {"body": "typed"}, typing_seconds=0.3)
    else:
        sent = await _typed_later(stage, way)
    letter = await stage.inbox(sent["wa_id"])
    events = (await stage.tenant.rest.get(path, after=last, limit=1000))["items"]
    typing = next(one for one in events if one["kind"] == "typing")
    assert typing["state"] == "typing"
    assert typing["at"] < letter["timestamp"]


async def _typed_later(stage: Stage, way: str) -> Json:
    """What the owner reads from the rows: one of a batch, or one whose time comes."""
    body = {"to": stage.friend["number"], "text": {"body": "typed"}, "typing_seconds": 0.3}
    if way == "batch":
        answer = await stage.tenant.rest.post(f"{stage.path}/batch", {"messages": [body]})
        message = answer["items"][0]
    else:
        soon = datetime.now(UTC) + timedelta(seconds=1)
        message = await stage.tenant.rest.post(stage.path, body | {"send_at": soon.isoformat()})
    return await stage.until(message["id"], lambda now: "wa_id" in now)


@pytest.mark.proves("Undecryptable messages", "received", "rest", "websocket")
async def test_what_cannot_be_read_is_told_and_replaced(stage: Stage) -> None:
    """First as undecryptable; once the sender sent it again, as received under the same id."""
    path = f"/sandbox/phones/{stage.friend['phone']}/garble"
    await stage.tenant.rest.post(path, {"times": 1})
    wa_id = await stage.say(text="readable at last")
    told = await stage.received(wa_id, "message.undecryptable")
    assert (told["type"], told["undecryptable"]) == ("undecryptable", {"reason": "keys"})
    got = await stage.received(wa_id)
    assert (got["id"], got["text"]) == (told["id"], {"body": "readable at last"})
    assert (await stage.get(got["id"]))["text"] == {"body": "readable at last"}


@pytest.mark.proves("Receipts per recipient in groups", "received", "rest")
async def test_a_group_message_says_who_got_and_read_it(stage: Stage) -> None:
    """Each recipient by both identities, with their times."""
    sent = await stage.send("text", {"body": "who reads this?"}, to=stage.group)
    path = f"/sandbox/phones/{stage.friend['phone']}/read"
    await stage.inbox(sent["wa_id"])
    await stage.tenant.rest.post(path, {"ids": [sent["wa_id"]]})
    found = await stage.until(sent["id"], lambda one: "read_at" in str(one.get("receipts")))
    reader = next(
        one for one in found["receipts"] if one["recipient"]["lid"] == stage.friend["lid"]
    )
    assert reader["recipient"]["phone"] == f"+{stage.friend['number']}"
    assert reader["delivered_at"] <= reader["read_at"]


@pytest.mark.proves("Status post", "received", "websocket")
async def test_a_status_comes_in(stage: Stage) -> None:
    """A text with its colours, in the chat status@broadcast."""
    text = {"text": "my day", "backgroundArgb": 0xFF112233, "textArgb": 0xFFFFFFFF, "font": 2}
    message = {"extendedTextMessage": text}
    got = await stage.received(await stage.say(to="status@broadcast", message=message))
    assert got["chat"]["id"] == "status@broadcast"
    assert got["from"]["phone"] == f"+{stage.friend['number']}"
    assert got["text"] == {
        "body": "my day",
        "background": "#112233",
        "color": "#FFFFFF",
        "font": 2,
    }


@pytest.mark.proves("Status post", "sent", "rest")
async def test_a_status_goes_out(stage: Stage) -> None:
    """The account's phone shows the text with its colours; WhatsApp chooses who else sees it."""
    text = {"body": "our day", "background_color": "#112233", "color": "#FFFFFF", "font": 2}
    sent = await stage.send("text", text, to="status@broadcast")
    letter = await stage.inbox(sent["wa_id"], {"phone": stage.mine.phone})
    message = letter["message"]["extendedTextMessage"]
    assert message["text"] == "our day"
    assert (message["backgroundArgb"], message["font"]) == (0xFF112233, "FB_SCRIPT")
