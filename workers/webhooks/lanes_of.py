"""Which events must stay in order: those of one chat of one session."""

from __future__ import annotations

import msgspec

from wa_api.readers import Entry


class _Address(msgspec.Struct):
    id: str


class _Message(msgspec.Struct):
    chat: _Address


class _Data(msgspec.Struct):
    message: _Message | None = None
    chat: _Address | None = None
    contact: _Address | None = None


class _Envelope(msgspec.Struct):
    data: _Data


_decode = msgspec.json.Decoder(_Envelope).decode
_LONGEST = 250


def lane_of(entry: Entry) -> str:
    """The chat that an event is about; else its session; else the tenant."""
    session = entry.session or "-"
    try:
        data = _decode(entry.envelope).data
    except msgspec.MsgspecError:
        return session
    address = data.message.chat if data.message else data.chat or data.contact
    return f"{session}|{address.id}"[:_LONGEST] if address else session
