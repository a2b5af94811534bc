"""Buttons, lists, link buttons, and what people chose from them.

WhatsApp shows these from linked devices on some clients only, and may stop at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from wa_api.domain.content import Content, Interactive
from workers.engine.neonize import wa

_BUTTONS, _LIST = wa.ButtonsMessage, wa.ListMessage


def to_interactive(content: Interactive) -> Any:
    """Raises ValueError for what only others can send (a reply)."""
    make = _MAKE.get(content.kind)
    if make is None:
        raise ValueError(f"Interactive content of the kind {content.kind} cannot be sent.")
    return make(content.data)


def _text(data: dict[str, Any], member: str) -> str | None:
    text: str | None = data.get(member, {}).get("text")
    return text


def _to_buttons(data: dict[str, Any]) -> Any:
    header = _text(data, "header")
    buttons = [
        _BUTTONS.Button(
            buttonID=one["reply"]["id"],
            buttonText={"displayText": one["reply"]["title"]},
            type=_BUTTONS.Button.RESPONSE,
        )
        for one in data["action"]["buttons"]
    ]
    return wa.Message(
        buttonsMessage=_BUTTONS(
            text=header,
            headerType=_BUTTONS.TEXT if header else _BUTTONS.EMPTY,
            contentText=_text(data, "body"),
            footerText=_text(data, "footer"),
            buttons=buttons,
        )
    )


def _to_list(data: dict[str, Any]) -> Any:
    action = data["action"]
    sections = [
        _LIST.Section(
            title=section.get("title"),
            rows=[
                _LIST.Row(rowID=row["id"], title=row["title"], description=row.get("description"))
                for row in section["rows"]
            ],
        )
        for section in action["sections"]
    ]
    return wa.Message(
        listMessage=_LIST(
            title=_text(data, "header"),
            description=_text(data, "body"),
            footerText=_text(data, "footer"),
            buttonText=action["button"],
            listType=_LIST.SINGLE_SELECT,
            sections=sections,
        )
    )


def _to_link(data: dict[str, Any]) -> Any:
    parameters = data["action"]["parameters"]
    button = {
        "display_text": parameters["display_text"],
        "url": parameters["url"],
        "merchant_url": parameters["url"],
    }
    part = wa.InteractiveMessage(
        body={"text": _text(data, "body")},
        nativeFlowMessage={
            "buttons": [{"name": "cta_url", "buttonParamsJSON": orjson.dumps(button).decode()}],
            "messageVersion": 1,
        },
    )
    if header := _text(data, "header"):
        part.header.title = header
    if footer := _text(data, "footer"):
        part.footer.text = footer
    return wa.Message(interactiveMessage=part)


_MAKE = {"button": _to_buttons, "list": _to_list, "cta_url": _to_link}


def _around(header: str, body: str, footer: str, action: dict[str, Any]) -> dict[str, Any]:
    """The members that all kinds share; empty ones are left out."""
    data: dict[str, Any] = {"header": {"type": "text", "text": header}} if header else {}
    data["body"] = {"text": body}
    if footer:
        data["footer"] = {"text": footer}
    return {**data, "action": action}


def _buttons(part: Any) -> Interactive:
    buttons = [
        {"type": "reply", "reply": {"id": one.buttonID, "title": one.buttonText.displayText}}
        for one in part.buttons
    ]
    data = _around(part.text, part.contentText, part.footerText, {"buttons": buttons})
    return Interactive(kind="button", data=data)


def _list(part: Any) -> Interactive:
    sections = [_section(section) for section in part.sections]
    action = {"button": part.buttonText, "sections": sections}
    data = _around(part.title, part.description, part.footerText, action)
    return Interactive(kind="list", data=data)


def _section(section: Any) -> dict[str, Any]:
    rows = [_choice(row.rowID, row.title, row.description) for row in section.rows]
    return {"title": section.title, "rows": rows} if section.title else {"rows": rows}


def _choice(id: str, title: str, description: str = "") -> dict[str, str]:
    more = {"description": description} if description else {}
    return {"id": id, "title": title, **more}


def _native(part: Any) -> Interactive:
    buttons = part.nativeFlowMessage.buttons
    first = _json(buttons[0].buttonParamsJSON) if len(buttons) == 1 else {}
    action: dict[str, Any]
    if len(buttons) == 1 and buttons[0].name == "cta_url":
        parameters = {"display_text": first.get("display_text"), "url": first.get("url")}
        kind, action = "cta_url", {"name": "cta_url", "parameters": parameters}
    else:
        kind, action = "native_flow", {"buttons": list(map(_native_button, buttons))}
    data = _around(part.header.title, part.body.text, part.footer.text, action)
    return Interactive(kind=kind, data=data)


def _native_button(one: Any) -> dict[str, Any]:
    return {"name": one.name, "parameters": _json(one.buttonParamsJSON)}


def _json(text: str) -> dict[str, Any]:
    """What a stranger wrote where an object was expected."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _button_reply(id: str, title: str) -> Interactive:
    return Interactive(kind="button_reply", data={"button_reply": _choice(id, title)})


def _buttons_response(part: Any) -> Interactive:
    return _button_reply(part.selectedButtonID, part.selectedDisplayText)


def _template_reply(part: Any) -> Interactive:
    return _button_reply(part.selectedID, part.selectedDisplayText)


def _list_response(part: Any) -> Interactive:
    chosen = _choice(part.singleSelectReply.selectedRowID, part.title, part.description)
    return Interactive(kind="list_reply", data={"list_reply": chosen})


def _native_response(part: Any) -> Interactive:
    given = _json(part.nativeFlowResponseMessage.paramsJSON)
    return _button_reply(str(given.get("id", "")), part.body.text)


READ: dict[str, Callable[[Any], Content | None]] = {
    "buttonsMessage": _buttons,
    "listMessage": _list,
    "interactiveMessage": _native,
    "buttonsResponseMessage": _buttons_response,
    "templateButtonReplyMessage": _template_reply,
    "listResponseMessage": _list_response,
    "interactiveResponseMessage": _native_response,
}
