"""Rows as readers see them: the one place where a message's row becomes its view."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from wa_api.domain.addresses import LID, USER
from wa_api.domain.content import NO_CONTEXT, Action, Content, Context, type_of
from wa_api.domain.events import MessageStatusChanged, rfc3339
from wa_api.domain.ids import Epoch, MessageId, SessionId, TenantId
from wa_api.domain.messages import Address, MessageView, Problem, Status, StatusStep
from wa_api.domain.sessions import Desired, SessionState
from wa_api.store.db import Row
from wa_api.store.rows import REPORT, Changed, Outgoing, SessionRow, Waiting

#: Where the time of each status is kept, in the order of the status history.
TIME_OF = {
    Status.ACCEPTED: "accepted_at",
    Status.SCHEDULED: "scheduled_at",
    Status.QUEUED: "queued_at",
    Status.SENDING: "sending_at",
    Status.UNKNOWN: "unknown_at",
    Status.SENT: "sent_at",
    Status.DELIVERED: "delivered_at",
    Status.READ: "read_at",
    Status.PLAYED: "played_at",
}
ENDED = "ended_at"

#: All columns of a message but the protobuf, which is only read where it is asked for.
MESSAGE_COLUMNS = ", ".join(
    (
        "id, tenant, session, direction, chat, chat_alt, sender, sender_alt, sender_name, wa_id",
        "type, content, context, status, time, error_code, error_detail, deadline, on_unknown",
        "ref, source, priority, send_at",
        *TIME_OF.values(),
        ENDED,
    )
)

_encoder = msgspec.json.Encoder()
_content: msgspec.json.Decoder[Content] = msgspec.json.Decoder(Content)
_context: msgspec.json.Decoder[Context] = msgspec.json.Decoder(Context)


def to_ms(seconds: float) -> int:
    """Unix seconds to the integer milliseconds that columns hold."""
    return round(seconds * 1000)


def seconds(ms: int | None) -> Any:
    """A column's milliseconds as Unix seconds; None stays None."""
    return None if ms is None else ms / 1000


def time_text(ms: int) -> str:
    """A column's time in RFC 3339."""
    return rfc3339(datetime.fromtimestamp(ms / 1000, UTC))


def encode_content(content: Content) -> tuple[str, str]:
    """The type's name and the JSON that the `content` column keeps."""
    return type_of(content), _encoder.encode(content).decode()


def decode_content(text: str) -> Content:
    """The content out of its column."""
    return _content.decode(text)


def content_in(message: MessageView) -> Content:
    """The content of a message that is shown."""
    found: Content = msgspec.convert({"type": message.type, **message.content}, Content)
    return found


def encode_context(context: Context) -> str | None:
    """A context for its column; nothing for an empty one."""
    return None if context == NO_CONTEXT else _encoder.encode(context).decode()


def decode_context(text: str | None) -> Context:
    """The context out of its column."""
    return _context.decode(text) if text else NO_CONTEXT


def address(jid: str, alt: str | None = None, name: str | None = None) -> Address:
    """One canonical address, with phone number (`+…`) and LID where either form tells it."""
    phone = lid = None
    for form in (jid, alt):
        if form is None:
            continue
        user, _, server = form.partition("@")
        if server == USER:
            phone = f"+{user}"
        elif server == LID:
            lid = form
    return Address(id=jid, phone=phone, lid=lid, name=name or None)


def view(row: Row) -> MessageView:
    """A `messages` row (all columns) as every reader sees it."""
    content = orjson.loads(row["content"])
    kind = content.pop("type")
    status, error, sender = Status(row["status"]), row["error_code"], row["sender"]
    return MessageView(
        id=row["id"],
        session=row["session"],
        direction=row["direction"],
        chat=address(row["chat"], row["chat_alt"]),
        sender=address(sender, row["sender_alt"], row["sender_name"]) if sender else None,
        type=kind,
        content=content,
        time=time_text(row["time"]),
        status=status,
        wa_id=row["wa_id"],
        statuses=[] if row["direction"] == "in" else _history(row, status),
        context=orjson.loads(row["context"]) if row["context"] else None,
        error=Problem(code=error, detail=row["error_detail"] or "") if error else None,
        ref=row["ref"],
        priority=row["priority"],
        send_at=None if row["send_at"] is None else time_text(row["send_at"]),
        source=row["source"],
    )


def _history(row: Row, status: Status) -> list[StatusStep]:
    steps = [
        StatusStep(status=step, time=time_text(at))
        for step, column in TIME_OF.items()
        if (at := row[column]) is not None
    ]
    if row[ENDED] is not None:
        steps.append(
            StatusStep(status=status, time=time_text(row[ENDED]), reason=row["error_code"])
        )
    return steps


def changed(row: Row, status: Status, at: int, wa_id: str | None, error: Problem | None) -> Changed:
    """What to tell about a message whose row now has this status."""
    return Changed(
        row["tenant"],
        row["session"],
        MessageStatusChanged(
            id=row["id"],
            chat=address(row["chat"], row["chat_alt"]),
            status=status,
            time=time_text(at),
            wa_id=wa_id,
            ref=row["ref"],
            error=error,
        ),
    )


#: Beside the columns of a message that is to be sent: how long messages of its chat last.
TIMER_COLUMNS = ", ".join(
    f"(SELECT c.{name} FROM chats c WHERE c.session = {{table}}.session "
    f"AND c.chat = {{table}}.chat) AS {name}"
    for name in ("disappears_after", "disappears_set_at")
)


def outgoing(row: Row) -> Outgoing:
    """A `messages` row, with `TIMER_COLUMNS`, as what the session's owner sends."""
    content, context = decode_content(row["content"]), decode_context(row["context"])
    seconds_left = row["disappears_after"] or 0
    timed = bool(seconds_left) and not context.disappears_after and not isinstance(content, Action)
    if timed:
        set_at = (row["disappears_set_at"] or 0) // 1000
        context = msgspec.structs.replace(
            context, disappears_after=seconds_left, disappears_set_at=set_at
        )
    return Outgoing(
        id=MessageId(row["id"]),
        tenant=TenantId(row["tenant"]),
        session=SessionId(row["session"]),
        chat=row["chat"],
        content=content,
        context=context,
        ref=row["ref"],
        deadline=seconds(row["deadline"]),
        on_unknown=row["on_unknown"] or REPORT,
        timed=timed,
    )


def waiting(row: Row) -> Waiting:
    """A `messages` row as its place in the queue."""
    return Waiting(
        id=MessageId(row["id"]),
        chat=row["chat"],
        at=seconds(row["send_at"] or row["accepted_at"]),
        deadline=seconds(row["deadline"]),
        priority=row["priority"],
        typing=seconds(row["typing"]) or 0.0,
    )


def session_row(row: Row) -> SessionRow:
    """A `sessions` row."""
    return SessionRow(
        id=SessionId(row["id"]),
        tenant=TenantId(row["tenant"]),
        name=row["name"],
        network=row["network"],
        desired=Desired(row["desired"]),
        state=SessionState(row["state"]),
        reason=row["reason"],
        detail=row["detail"],
        since=seconds(row["since"]),
        until=seconds(row["until"]),
        jid=row["jid"],
        lid=row["lid"],
        push_name=row["push_name"],
        epoch=Epoch(row["epoch"]),
        worker=row["worker"],
        settings=orjson.loads(row["settings"]),
        metadata=orjson.loads(row["metadata"] or "{}"),
        proxy=row["proxy"] or None,
        proxy_shown=row["proxy_shown"] or None,
        created_at=seconds(row["created_at"]),
        deleted_at=seconds(row["deleted_at"]),
        attempts=row["attempts"],
    )
