"""What a phone remembers of messages and other events."""

from __future__ import annotations

import msgspec

from workers.sandbox.wire import Node


class Letter(msgspec.Struct):
    """A message in a phone's inbox; `chat`, `sender` are LID addresses, `*_pn` phone numbers."""

    number: int
    id: str
    chat: str
    chat_pn: str
    sender: str
    sender_pn: str
    from_me: bool
    timestamp: float
    type: str
    text: str | None
    name: str
    retries: int
    raw: bytes = b""


class Event(msgspec.Struct):
    """A receipt, typing or presence that reached a phone."""

    number: int
    kind: str  # "receipt", "typing" or "presence"
    at: float
    sender: str
    state: str
    ids: list[str] = []
    chat: str = ""


def garble(nodes: list[Node]) -> None:
    """Flips a bit of every ciphertext."""
    for node in nodes:
        if node.tag == "enc":
            node.content = node.data[:-1] + bytes([node.data[-1] ^ 1])
        garble(node.children)
