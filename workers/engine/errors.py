"""What the library's error texts and failure events mean.

neonize hands Go's errors over as text only; the texts are those of whatsmeow's error values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from wa_api.domain.errors import WaError
from wa_api.domain.refusals import (
    GroupNotFound,
    InvalidImage,
    InviteExpired,
    InviteInvalid,
    InviteRevoked,
    NotGroupAdmin,
    NotInGroup,
    NotOnWhatsApp,
    PictureHidden,
    PictureNotFound,
    refusal,
)
from workers.engine.port import CallFailed, SendFailed, SendUncertain

ACCOUNT_RESTRICTED = "account_restricted"
NOT_ON_WHATSAPP = "recipient_not_on_whatsapp"
RATE_LIMITED = "rate_limited"
NOT_CONNECTED = "not_connected"
TIMEOUT = "whatsapp_timeout"
REFUSED = "whatsapp_refused"
ENGINE_ERROR = "engine_error"

_SERVER_CODE = re.compile(r"server returned error (\d+)")
_QUERY_CODE = re.compile(r"info query returned status (\d+)")
_GRAPH_CODE = re.compile(r"graphql error: (\d+)")

#: The message was written to the socket, or may have been, when these happen. After a lost
#: connection the library writes it again; the errors of that second attempt bear no prefix.
_UNCERTAIN = re.compile(
    r"timed out waiting for message send response|websocket disconnected before message send"
    r"|^websocket not connected$|^(write|read) tcp|^failed to write|^EOF$|^context "
)

_SENTENCES = (
    ("no LID found for", NOT_ON_WHATSAPP, "The recipient is not on WhatsApp."),
    ("failed to get LID", NOT_ON_WHATSAPP, "WhatsApp does not know the recipient."),
    ("info query timed out", TIMEOUT, "WhatsApp did not answer a query before the send."),
    ("websocket disconnected", NOT_CONNECTED, "The connection was lost before the send."),
    ("failed to send message node", NOT_CONNECTED, "The connection was lost before the send."),
    ("websocket not connected", NOT_CONNECTED, "The connection was lost before the send."),
    ("store doesn't contain a device", NOT_CONNECTED, "The session is not linked."),
    ("client is nil", NOT_CONNECTED, "The engine was stopped."),
    ("not participating in that group", REFUSED, "The session is not a member of that group."),
    ("group does not exist", REFUSED, "That group does not exist."),
    ("unknown server", REFUSED, "Messages cannot be sent to that kind of address."),
)

_CODES = {
    463: (ACCOUNT_RESTRICTED, "WhatsApp restricts this account: no messages to new contacts."),
    429: (RATE_LIMITED, "WhatsApp asks to slow down."),
    404: (NOT_ON_WHATSAPP, "WhatsApp does not know the recipient."),
}


#: What the library says when it has understood a refusal itself.
_ANSWERS: dict[str, type[WaError]] = {
    "group does not exist": GroupNotFound,
    "not participating in that group": NotInGroup,
    "permission to get the group's invite link": NotGroupAdmin,
    "invite link is not valid": InviteInvalid,
    "invite link has been revoked": InviteRevoked,
    "invite has expired": InviteExpired,
    "does not have a profile picture": PictureNotFound,
    "hidden their profile picture": PictureHidden,
    "not a valid image": InvalidImage,
    "contact QR link does not exist": NotOnWhatsApp,
}


def send_error(text: str) -> SendFailed | SendUncertain:
    """The exception for an error text of a send."""
    if _UNCERTAIN.search(text):
        return SendUncertain("WhatsApp did not confirm the message before the connection failed.")
    return SendFailed(*_explain(text))


def upload_error(text: str) -> SendFailed:
    """The failure that an error of an upload means: nothing went out, whatever it was."""
    for begins, code, detail in _SENTENCES:
        if begins in text and code == NOT_CONNECTED:
            return SendFailed(code, detail)
    return SendFailed("media_server_failed", "WhatsApp's media servers did not take the file.")


def call_error(text: str, codes: Mapping[int, str] | None = None) -> CallFailed:
    """The exception for an error text of any other call; `codes`: what numbers mean in it."""
    for mark, error in _ANSWERS.items():
        if mark in text:
            return CallFailed(error.code, error().detail)
    number = _SERVER_CODE.search(text) or _QUERY_CODE.search(text) or _GRAPH_CODE.search(text)
    name = (codes or {}).get(int(number[1])) if number else None
    if name is not None:
        return CallFailed(name, refusal(name).detail)
    return CallFailed(*_explain(text))


def _explain(text: str) -> tuple[str, str]:
    code = _SERVER_CODE.search(text) or _QUERY_CODE.search(text)
    if code:
        number = int(code[1])
        return _CODES.get(number, (REFUSED, f"WhatsApp refused with error {number}."))
    for mark, name, sentence in _SENTENCES:
        if mark in text:
            return name, sentence
    # Other texts may quote addresses or content: say that there was an error, not the text.
    return ENGINE_ERROR, "The WhatsApp library reported an error."
