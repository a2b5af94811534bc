"""Every kind of content, both ways: REST or WebSocket to the phone's decrypted message and back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.e2e.content.conftest import Stage
from wa_api.demo.client import Refused

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

#: A JPEG's first bytes, in base64: thumbnails are not looked into.
JPEG = "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="
CARD = {
    "name": {"formatted_name": "Ana; Souza", "first_name": "Ana", "last_name": "Souza"},
    "phones": [{"phone": "+55 11 99999-0000", "type": "CELL", "wa_id": "5511999990000"}],
    "emails": [{"email": "ana@example.com", "type": "WORK"}],
    "org": {"company": "Acme, Ltd", "title": "CEO"},
}
VCARD = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Souza;Ana;;;\r\nFN:Ana\\; Souza\r\nORG:Acme\\, Ltd;\r\n"
    "TITLE:CEO\r\nTEL;TYPE=CELL;waid=5511999990000:+55 11 99999-0000\r\n"
    "EMAIL;TYPE=WORK:ana@example.com\r\nEND:VCARD"
)
BUTTONS = {
    "type": "button",
    "header": {"type": "text", "text": "Head"},
    "body": {"text": "Sure?"},
    "footer": {"text": "Foot"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]},
}
LIST = {
    "type": "list",
    "body": {"text": "Choose"},
    "action": {
        "button": "Open",
        "sections": [
            {"title": "All", "rows": [{"id": "1", "title": "One", "description": "the first"}]}
        ],
    },
}
LINK = {
    "type": "cta_url",
    "body": {"text": "Look"},
    "action": {
        "name": "cta_url",
        "parameters": {"display_text": "Open", "url": "https://example.com/a"},
    },
}


def proves(row: str, *columns: str) -> Any:
    """What a case proves in docs/features.md."""
    return pytest.mark.proves(row, *(columns or ("sent", "received", "rest", "websocket")))


#: Content that goes out and, as WhatsApp's own message, comes in: type, part, protobuf JSON.
BOTH_WAYS = [
    pytest.param(
        "text",
        {"body": "*bold* _it_ ~no~ ```code``` 😀"},
        {"conversation": "*bold* _it_ ~no~ ```code``` 😀"},
        id="text",
        marks=proves("Text"),
    ),
    pytest.param(
        "text",
        {
            "body": "see https://example.com/a",
            "preview": {
                "url": "https://example.com/a",
                "title": "Title",
                "description": "About",
                "thumbnail": JPEG,
            },
        },
        {
            "extendedTextMessage": {
                "text": "see https://example.com/a",
                "matchedText": "https://example.com/a",
                "title": "Title",
                "description": "About",
                "previewType": "NONE",
                "JPEGThumbnail": JPEG,
            }
        },
        id="given preview",
        marks=proves("Link preview (given)"),
    ),
    pytest.param(
        "location",
        {"latitude": -23.5, "longitude": -46.625, "name": "Home", "address": "Street 1"},
        {
            "locationMessage": {
                "degreesLatitude": -23.5,
                "degreesLongitude": -46.625,
                "name": "Home",
                "address": "Street 1",
            }
        },
        id="location",
        marks=proves("Location"),
    ),
    pytest.param(
        "contacts",
        [CARD],
        {"contactMessage": {"displayName": "Ana; Souza", "vcard": VCARD}},
        id="contact",
        marks=proves("Contact"),
    ),
    pytest.param(
        "contacts",
        [CARD, CARD],
        {
            "contactsArrayMessage": {
                "displayName": "2 contacts",
                "contacts": [{"displayName": "Ana; Souza", "vcard": VCARD}] * 2,
            }
        },
        id="contacts",
    ),
    pytest.param(
        "poll",
        {"question": "Which?", "options": ["A", "B", "C"], "max_choices": 2},
        {
            "pollCreationMessage": {
                "name": "Which?",
                "options": [{"optionName": "A"}, {"optionName": "B"}, {"optionName": "C"}],
                "selectableOptionsCount": 2,
            }
        },
        id="poll",
        marks=proves("Poll"),
    ),
    pytest.param(
        "event",
        {
            "name": "Launch",
            "start_time": 1_900_000_000,
            "end_time": 1_900_003_600,
            "description": "Bring cake",
            "location": {"latitude": 1.5, "longitude": 2.5, "name": "Office"},
        },
        {
            "eventMessage": {
                "name": "Launch",
                "startTime": "1900000000",
                "endTime": "1900003600",
                "description": "Bring cake",
                "isCanceled": False,
                "location": {"degreesLatitude": 1.5, "degreesLongitude": 2.5, "name": "Office"},
            }
        },
        id="event",
        marks=proves("Event message"),
    ),
    pytest.param(
        "interactive",
        BUTTONS,
        {
            "buttonsMessage": {
                "text": "Head",
                "headerType": "TEXT",
                "contentText": "Sure?",
                "footerText": "Foot",
                "buttons": [
                    {"buttonID": "y", "buttonText": {"displayText": "Yes"}, "type": "RESPONSE"}
                ],
            }
        },
        id="buttons",
        marks=proves("Buttons"),
    ),
    pytest.param(
        "interactive",
        LIST,
        {
            "listMessage": {
                "description": "Choose",
                "buttonText": "Open",
                "listType": "SINGLE_SELECT",
                "sections": [
                    {
                        "title": "All",
                        "rows": [{"title": "One", "description": "the first", "rowID": "1"}],
                    }
                ],
            }
        },
        id="list",
        marks=proves("List"),
    ),
    pytest.param(
        "interactive",
        LINK,
        {
            "interactiveMessage": {
                "body": {"text": "Look"},
                "nativeFlowMessage": {
                    "messageVersion": 1,
                    "buttons": [
                        {
                            "name": "cta_url",
                            "buttonParamsJSON": '{"display_text":"Open",'
                            '"url":"https://example.com/a","merchant_url":"https://example.com/a"}',
                        }
                    ],
                },
            }
        },
        id="link button",
    ),
]


@pytest.mark.parametrize(("type", "part", "expected"), BOTH_WAYS)
async def test_content_goes_out_and_comes_in(
    stage: Stage, type: str, part: Any, expected: dict[str, Any]
) -> None:
    """What is sent over REST is decrypted on the phone field by field; the same message from the
    phone is received with the content that was sent; and a WebSocket takes the same body.
    """
    sent = await stage.send(type, part)
    arrived = (await stage.inbox(sent["wa_id"]))["message"]
    arrived.pop("messageContextInfo", None)
    assert arrived == expected
    assert (await stage.get(sent["id"]))[type] == sent[type]
    got = await stage.arrives(expected)
    assert got["type"] == type
    assert got[type] == part
    assert (await stage.get(got["id"]))[type] == part
    replied = await stage.command(type, part)
    again = (await stage.inbox(replied["wa_id"]))["message"]
    again.pop("messageContextInfo", None)
    assert again == expected


#: Content that only comes in: protobuf JSON, type, part.
INBOUND = [
    pytest.param(
        {
            "liveLocationMessage": {
                "degreesLatitude": 1.5,
                "degreesLongitude": 2.5,
                "accuracyInMeters": 10,
                "speedInMps": 2.5,
                "degreesClockwiseFromMagneticNorth": 90,
                "caption": "on my way",
                "sequenceNumber": "7",
            }
        },
        "live_location",
        {
            "latitude": 1.5,
            "longitude": 2.5,
            "accuracy": 10,
            "speed": 2.5,
            "heading": 90,
            "caption": "on my way",
            "sequence": 7,
        },
        id="live location",
        marks=proves("Live location", "received", "rest", "websocket"),
    ),
    pytest.param(
        {"groupInviteMessage": {"groupJID": "1203@g.us", "inviteCode": "abc", "groupName": "G"}},
        "group_invite",
        {"group": "1203@g.us", "code": "abc", "name": "G"},
        id="group invitation",
    ),
    pytest.param(
        {"buttonsResponseMessage": {"selectedButtonID": "y", "selectedDisplayText": "Yes"}},
        "interactive",
        {"type": "button_reply", "button_reply": {"id": "y", "title": "Yes"}},
        id="button reply",
    ),
    pytest.param(
        {"templateButtonReplyMessage": {"selectedID": "y", "selectedDisplayText": "Yes"}},
        "interactive",
        {"type": "button_reply", "button_reply": {"id": "y", "title": "Yes"}},
        id="template reply",
    ),
    pytest.param(
        {
            "interactiveResponseMessage": {
                "body": {"text": "Yes"},
                "nativeFlowResponseMessage": {"name": "quick_reply", "paramsJSON": '{"id":"y"}'},
            }
        },
        "interactive",
        {"type": "button_reply", "button_reply": {"id": "y", "title": "Yes"}},
        id="native reply",
    ),
    pytest.param(
        {
            "listResponseMessage": {
                "title": "One",
                "description": "the first",
                "singleSelectReply": {"selectedRowID": "1"},
            }
        },
        "interactive",
        {
            "type": "list_reply",
            "list_reply": {"id": "1", "title": "One", "description": "the first"},
        },
        id="list reply",
    ),
    pytest.param(
        {"ephemeralMessage": {"message": {"extendedTextMessage": {"text": "gone soon"}}}},
        "text",
        {"body": "gone soon"},
        id="in a wrapper",
    ),
    pytest.param(
        {"requestPhoneNumberMessage": {}},
        "unsupported",
        {"kind": "requestPhoneNumberMessage"},
        id="something else",
    ),
]


@pytest.mark.parametrize(("message", "type", "part"), INBOUND)
async def test_content_comes_in(
    stage: Stage, message: dict[str, Any], type: str, part: Any
) -> None:
    """What only other clients send is normalised all the same."""
    got = await stage.arrives(message)
    assert (got["type"], got[type]) == (type, part)


@pytest.mark.proves("Raw protobuf", "rest")
async def test_the_protobuf_is_there_on_request(stage: Stage) -> None:
    """`raw=true` gives WhatsApp's own message, for what came and for what went out."""
    got = await stage.arrives({"conversation": "raw"})
    sent = await stage.send("text", {"body": "raw"})
    for id in (got["id"], sent["id"]):
        assert "raw" not in await stage.get(id)
        assert "CgNyYXc" in (await stage.get(id, raw="true"))["raw"]


BAD = [
    ("no part", {"type": "poll"}, "poll"),
    ("another part", {"type": "poll", "text": {"body": "x"}}, "text"),
    ("a poll with one option", {"type": "poll", "poll": {"question": "q", "options": ["a"]}}, "poll.options"),
    ("equal options", {"type": "poll", "poll": {"question": "q", "options": ["a", "a"]}}, "poll.options"),
    ("a latitude beyond the pole", {"type": "location", "location": {"latitude": 91, "longitude": 0}}, "location.latitude"),
    ("a contact without a name", {"type": "contacts", "contacts": [{}]}, "contacts[0]"),
    ("an event that ends before", {"type": "event", "event": {"name": "e", "start_time": 2, "end_time": 1}}, "event.end_time"),
    ("an unknown interactive", {"type": "interactive", "interactive": {"type": "flow"}}, "interactive.type"),
    ("an unknown member", {"type": "poll", "poll": {"question": "q", "options": ["a", "b"], "x": 1}}, "poll"),
    ("mention all in a chat", {"type": "text", "text": {"body": "x"}, "context": {"mention_all": True}}, "context.mention_all"),
    ("a preview of another link", {"type": "text", "text": {"body": "x", "preview": {"url": "https://a.b", "title": "t"}}}, "text.preview.url"),
    ("a wrong colour", {"type": "text", "text": {"body": "x", "background_color": "red"}}, "text.background_color"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), [pytest.param(b, f, id=name) for name, b, f in BAD])
async def test_bad_content_is_refused_with_its_field(
    stage: Stage, body: dict[str, Any], field: str
) -> None:
    """What cannot be sent is a 422 that names the member."""
    with pytest.raises(Refused) as refused:
        await stage.tenant.rest.post(stage.path, {"to": stage.friend["number"], **body})
    assert refused.value.status == 422, orjson.dumps(refused.value.problem)
    assert refused.value.problem["errors"][0]["field"] == field
