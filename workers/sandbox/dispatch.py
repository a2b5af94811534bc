"""What a client's stanza is given to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from workers.sandbox import calls, iq, messages, presence, receipts
from workers.sandbox.wire import Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection

log = structlog.get_logger()


def handle(connection: Connection, node: Node) -> None:
    """Never raises for what a client says: what cannot be handled is one log line."""
    try:
        _handle(connection, node)
    except Exception:
        log.exception("sandbox.stanza_failed", stanza=node.shape())


def _handle(connection: Connection, node: Node) -> None:
    if node.tag == "iq":
        iq.handle(connection, node)
        return
    handler = _HANDLERS.get(node.tag)
    if handler is None:
        if node.tag not in _IGNORED:
            log.info("sandbox.unknown_stanza", stanza=node.shape())
    elif connection.device is not None:
        handler(connection, node)


def _confirmed(connection: Connection, node: Node) -> None:
    account, linked = connection.owner
    box = connection.network.mailbox(account, linked.id)
    box.confirm(node.get("class"), node.get("id"))
    if node.get("class") == "message":
        device = str(account.pn_jid.with_device(linked.id))
        kind = "nack" if node.get("error") else "ack"
        connection.network.judge.acknowledged(node.get("id"), device, kind)


_IGNORED = ("ib",)
_HANDLERS: dict[str, Callable[[Any, Node], None]] = {
    "message": messages.from_client,
    "receipt": receipts.from_client,
    "ack": _confirmed,
    "presence": presence.from_client,
    "chatstate": presence.typing_from_client,
    "call": calls.from_client,
}
