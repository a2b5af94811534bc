"""Cursors and envelopes."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from wa_api.domain.events import (
    BY_TYPE,
    Cursor,
    Data,
    MessageReceived,
    SessionQrIssued,
    cursor_of,
    encode_tail,
    entry_of,
    event,
    with_cursor,
)
from wa_api.domain.messages import Address, MessageView, Status, view

entries = st.tuples(st.integers(0, 2**42), st.integers(0, 2**20 - 1))


@given(entries)
def test_a_cursor_names_exactly_one_log_entry(entry: tuple[int, int]) -> None:
    """Cursor and entry id translate both ways without loss."""
    text = f"{entry[0]}-{entry[1]}"
    assert entry_of(cursor_of(text)) == text


@given(entries, entries)
def test_cursors_order_as_their_entries_do(a: tuple[int, int], b: tuple[int, int]) -> None:
    """A later entry has a greater cursor."""
    cursors = [int(cursor_of(f"{ms}-{n}")) for ms, n in (a, b)]
    assert (cursors[0] < cursors[1]) == (a < b)


def test_an_envelope_has_the_documented_members() -> None:
    """Every reader gets id, type, tenant, session, time and data."""
    data = SessionQrIssued(qr="2@x", number=1, expires_at="2026-01-01T00:00:00.000Z")
    tail = encode_tail(event("ten_1", "ses_1", data))
    envelope = orjson.loads(with_cursor(Cursor("7"), tail))
    assert list(envelope) == ["id", "type", "tenant", "session", "time", "data"]
    assert envelope["id"] == "7"
    assert envelope["type"] == "session.qr_issued"
    assert envelope["data"]["number"] == 1


def test_every_event_type_is_listed() -> None:
    """No event exists that readers cannot look up by its type."""

    def leaves(cls: type[Data]) -> set[type[Data]]:
        return (
            {cls} if not cls.__subclasses__() else set().union(*map(leaves, cls.__subclasses__()))
        )

    assert set(BY_TYPE.values()) == leaves(Data)


def test_a_message_in_an_event_looks_as_it_does_over_rest() -> None:
    """The content stands under its type's name for every reader, and the view is not changed."""
    message = MessageView(
        id="msg_1",
        session="ses_1",
        direction="in",
        chat=Address(id="1@lid"),
        sender=Address(id="2@lid"),
        type="text",
        content={"type": "text", "body": "hi"},
        time="2026-01-01T00:00:00.000Z",
        status=Status.RECEIVED,
    )
    tail = encode_tail(event("ten_1", "ses_1", MessageReceived(message=message)))
    shown = orjson.loads(with_cursor(Cursor("7"), tail))["data"]["message"]
    assert shown["text"] == {"body": "hi"}
    assert shown["from"] == {"id": "2@lid"}
    assert shown == view(message)
    assert "content" not in shown
    assert message.content == {"type": "text", "body": "hi"}
