"""What changes another message: out to the phone, in from it, and how the target then reads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.content.conftest import Stage
from wa_api.demo.client import Refused

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]


def about(wa_id: str) -> Any:
    """Accepts a change of that message."""
    return lambda data: bool(data["wa_id"] == wa_id)


def by(action: str) -> Any:
    """Accepts a change that this message of ours made."""
    return lambda data: bool(data["action"] == action)


def choosing(wa_id: str, options: list[str]) -> Any:
    """Accepts such a vote."""
    return lambda data: bool(data["wa_id"] == wa_id and data.get("options") == options)


def key(stage: Stage, wa_id: str, *, theirs: bool = True) -> dict[str, Any]:
    """How the friend's phone names a message of its own (`theirs`), or of the session's."""
    return {"remoteJID": stage.me["lid"], "fromMe": theirs, "ID": wa_id}


@pytest.mark.proves("Reaction", "sent", "rest")
async def test_a_reaction_goes_out_and_is_taken_back(stage: Stage) -> None:
    """The phone decrypts it with the key of its own message; the message shows it until it goes."""
    got = await stage.arrives({"conversation": "react to me"})
    for emoji in ("❤️", ""):
        part = {"message_id": got["id"], "emoji": emoji}
        sent = await stage.send("reaction", part)
        reaction = (await stage.inbox(sent["wa_id"]))["message"]["reactionMessage"]
        assert reaction.get("text", "") == emoji
        assert reaction["key"]["ID"] == got["wa_id"]
        assert reaction["key"]["fromMe"] is False
        told = await stage.event("message.reaction_changed", by(sent["id"]))
        assert (told["id"], told["emoji"]) == (got["id"], emoji)
        assert "from" not in told
        shown = [one["emoji"] for one in (await stage.get(got["id"])).get("reactions", [])]
        assert shown == ([emoji] if emoji else [])


@pytest.mark.proves("Reaction", "received", "websocket")
async def test_a_reaction_comes_in(stage: Stage) -> None:
    """The event names our message and who reacted by both identities; the message lists it."""
    sent = await stage.send("text", {"body": "like me"})
    reaction = {"key": key(stage, sent["wa_id"], theirs=False), "text": "👍"}
    await stage.say(message={"reactionMessage": reaction})
    told = await stage.event("message.reaction_changed", about(sent["wa_id"]))
    assert (told["id"], told["emoji"]) == (sent["id"], "👍")
    assert told["from"]["phone"] == f"+{stage.friend['number']}"
    assert told["from"]["lid"] == stage.friend["lid"]
    [one] = (await stage.get(sent["id"]))["reactions"]
    assert (one["emoji"], one["from"]["lid"]) == ("👍", stage.friend["lid"])
    listed = (await stage.tenant.rest.get(stage.path))["items"]
    assert all(message["type"] != "reaction" for message in listed)
    assert next(m for m in listed if m["id"] == sent["id"])["reactions"] == [one]


@pytest.mark.proves("Edit", "sent", "rest")
async def test_an_edit_goes_out(stage: Stage) -> None:
    """The phone gets the new text for the message it has; we keep what it said before."""
    sent = await stage.send("text", {"body": "first"})
    edit = await stage.send("edit", {"message_id": sent["wa_id"], "body": "second"})
    protocol = (await stage.inbox(edit["wa_id"]))["message"]["protocolMessage"]
    assert protocol["type"] == "MESSAGE_EDIT"
    assert protocol["key"]["ID"] == sent["wa_id"]
    assert protocol["key"]["fromMe"] is True
    assert protocol["editedMessage"] == {"extendedTextMessage": {"text": "second"}}
    told = await stage.event("message.edited", about(sent["wa_id"]))
    assert (told["id"], told["body"]) == (sent["id"], "second")
    now = await stage.get(sent["id"])
    assert (now["text"]["body"], now["edits"][0]["body"]) == ("second", "first")


@pytest.mark.proves("Edit", "received", "websocket")
async def test_an_edit_comes_in(stage: Stage) -> None:
    """An edit of the author's counts; one of somebody else's changes nothing."""
    got = await stage.arrives({"conversation": "teh"})
    edited = {"conversation": "the"}
    change = {"key": key(stage, got["wa_id"]), "type": "MESSAGE_EDIT", "editedMessage": edited}
    await stage.say(message={"protocolMessage": change})
    told = await stage.event("message.edited", about(got["wa_id"]))
    assert (told["id"], told["body"]) == (got["id"], "the")
    now = await stage.get(got["id"])
    assert (now["text"]["body"], now["edits"][0]["body"]) == ("the", "teh")
    mine = await stage.send("text", {"body": "mine"})
    forged = {**change, "key": key(stage, mine["wa_id"], theirs=False)}
    await stage.say(message={"protocolMessage": forged})
    await stage.arrives({"conversation": "after it"})
    assert (await stage.get(mine["id"]))["text"]["body"] == "mine"


@pytest.mark.proves("Revoke", "sent", "rest")
async def test_a_revocation_goes_out(stage: Stage) -> None:
    """Our own message anywhere; in a group that we administer, another's too."""
    sent = await stage.send("text", {"body": "oops"})
    revoke = await stage.send("revoke", {"message_id": sent["id"]})
    protocol = (await stage.inbox(revoke["wa_id"]))["message"]["protocolMessage"]
    assert protocol["key"]["ID"] == sent["wa_id"]
    assert protocol["key"]["fromMe"] is True
    assert (await stage.get(sent["id"]))["revoked"]["time"]
    got = await stage.received(await stage.say(to=stage.group, text="rude"))
    revoke = await stage.send("revoke", {"message_id": got["id"]}, to=stage.group)
    protocol = (await stage.inbox(revoke["wa_id"]))["message"]["protocolMessage"]
    assert protocol["key"] == {
        "remoteJID": stage.group,
        "fromMe": False,
        "ID": got["wa_id"],
        "participant": stage.friend["lid"],
    }
    assert "from" not in (await stage.get(got["id"]))["revoked"]


@pytest.mark.proves("Revoke", "received", "websocket")
async def test_a_revocation_comes_in(stage: Stage) -> None:
    """The message says who deleted it and when."""
    got = await stage.arrives({"conversation": "oops"})
    await stage.say(
        message={"protocolMessage": {"key": key(stage, got["wa_id"]), "type": "REVOKE"}}
    )
    told = await stage.event("message.revoked", about(got["wa_id"]))
    assert told["id"] == got["id"]
    assert (await stage.get(got["id"]))["revoked"]["from"]["lid"] == stage.friend["lid"]


@pytest.mark.proves("Pin message", "sent", "rest")
async def test_a_pin_goes_out_and_is_taken_back(stage: Stage) -> None:
    """Pinned for a day, then unpinned."""
    got = await stage.arrives({"conversation": "important"})
    sent = await stage.send("pin", {"message_id": got["id"], "seconds": 86_400})
    message = (await stage.inbox(sent["wa_id"]))["message"]
    assert message["pinInChatMessage"]["type"] == "PIN_FOR_ALL"
    assert message["pinInChatMessage"]["key"]["ID"] == got["wa_id"]
    assert message["messageContextInfo"]["messageAddOnDurationInSecs"] == 86_400
    assert (await stage.get(got["id"]))["pinned"]["until"]
    sent = await stage.send("pin", {"message_id": got["id"], "seconds": 0})
    message = (await stage.inbox(sent["wa_id"]))["message"]
    assert message["pinInChatMessage"]["type"] == "UNPIN_FOR_ALL"
    assert "pinned" not in await stage.get(got["id"])


@pytest.mark.proves("Pin message", "received", "websocket")
async def test_a_pin_comes_in(stage: Stage) -> None:
    """The event says for how long."""
    sent = await stage.send("text", {"body": "pin me"})
    pin = {"key": key(stage, sent["wa_id"], theirs=False), "type": "PIN_FOR_ALL"}
    duration = {"messageAddOnDurationInSecs": 604_800}
    await stage.say(message={"pinInChatMessage": pin, "messageContextInfo": duration})
    told = await stage.event("message.pin_changed", about(sent["wa_id"]))
    assert (told["id"], told["seconds"]) == (sent["id"], 604_800)
    assert (await stage.get(sent["id"]))["pinned"]["from"]["lid"] == stage.friend["lid"]


@pytest.mark.proves("Poll vote", "sent", "rest")
async def test_a_vote_goes_out(stage: Stage) -> None:
    """The phone that asked decrypts the choice; the poll counts it as ours."""
    asked = await stage.arrives(
        {
            "pollCreationMessage": {
                "name": "Lunch?",
                "options": [{"optionName": "Yes"}, {"optionName": "No"}],
                "selectableOptionsCount": 1,
            },
            "messageContextInfo": {"messageSecret": "A" * 43 + "="},
        }
    )
    sent = await stage.send("vote", {"message_id": asked["id"], "options": ["Yes"]})
    assert (await stage.inbox(sent["wa_id"]))["vote"] == ["Yes"]
    told = await stage.event("poll.vote_changed", by(sent["id"]))
    assert told["options"] == ["Yes"]
    votes = {one["option"]: one for one in (await stage.get(asked["id"]))["votes"]}
    assert (votes["Yes"]["count"], votes["Yes"]["mine"], votes["No"]["count"]) == (1, True, 0)


@pytest.mark.parametrize("group", [False, True], ids=["chat", "group"])
@pytest.mark.proves("Poll vote", "received", "websocket")
@pytest.mark.proves("Poll votes decrypted", "received", "rest", "websocket")
async def test_votes_come_in_and_are_counted(stage: Stage, group: bool) -> None:
    """A vote is decrypted; a second one of the same person replaces it."""
    to, poll = stage.group if group else None, {"question": "Which?", "options": ["A", "B", "C"]}
    sent = await stage.send("poll", {**poll, "max_choices": 0}, to=to)
    await stage.inbox(sent["wa_id"])
    for chosen in (["A", "B"], ["C"]):
        vote = {"poll": sent["wa_id"], "options": chosen}
        await stage.say(to=to, vote=vote)
        told = await stage.event("poll.vote_changed", choosing(sent["wa_id"], chosen))
        assert told["from"]["lid"] == stage.friend["lid"]
        counts = {one["option"]: one["count"] for one in told["votes"]}
        assert counts == {option: int(option in chosen) for option in ("A", "B", "C")}
    votes = (await stage.get(sent["id"]))["votes"]
    assert [one["count"] for one in votes] == [0, 0, 1]
    assert votes[2]["voters"][0]["phone"] == f"+{stage.friend['number']}"


@pytest.mark.parametrize(
    "type", ["reaction", "edit", "revoke", "pin", "vote"], ids=lambda type: str(type)
)
@pytest.mark.proves("Reaction", "websocket")
async def test_an_action_is_a_command_too_and_needs_its_target(stage: Stage, type: str) -> None:
    """Over a WebSocket as over REST, a message that is not there is 404."""
    parts = {"reaction": {"emoji": "x"}, "edit": {"body": "x"}, "vote": {"options": []}}
    part = {"message_id": "msg_unknown", **parts.get(type, {})}
    body = {"to": stage.friend["number"], "type": type, type: part}
    with pytest.raises(Refused) as refused:
        await stage.feed.command("message.send", stage.mine.session, body)
    assert refused.value.problem["code"] == "message_not_found"


async def test_what_is_not_allowed_is_refused(stage: Stage) -> None:
    """Another's message is not edited or revoked (outside of groups), a poll has its options, and
    a target stands in the chat that is named.
    """
    got = await stage.arrives({"conversation": "theirs"})
    sent = await stage.send("text", {"body": "mine"})
    id = got["id"]
    for type, part, to, field in (
        ("edit", {"message_id": id, "body": "x"}, None, "edit.message_id"),
        ("revoke", {"message_id": id}, None, "revoke.message_id"),
        ("vote", {"message_id": id, "options": []}, None, "vote.message_id"),
        ("reaction", {"message_id": sent["id"], "emoji": "x"}, stage.group, "reaction.message_id"),
    ):
        with pytest.raises(Refused) as refused:
            await stage.send(type, part, to=to)
        assert refused.value.problem["errors"][0]["field"] == field
