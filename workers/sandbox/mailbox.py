"""Stanzas that a device has not confirmed yet: kept until it does, over restarts too."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from workers.sandbox.state import State
from workers.sandbox.wire import Node, decode, encode

KIND = "mail"
LIMIT = 200_000


class Mailbox:
    """One device's unconfirmed messages, receipts and notifications, in order."""

    def __init__(self, state: State, owner: str) -> None:
        self._state, self._owner = state, owner
        self._entries: dict[int, Node] = {}
        self._by_id: dict[tuple[str, str], deque[int]] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Node]:
        return iter(list(self._entries.values()))

    def _key(self, number: int) -> str:
        return f"{self._owner}/{number:012d}"

    def restore(self, number: int, row: bytes) -> None:
        """Takes back an entry of an earlier run."""
        self._index(number, decode(row))

    def _index(self, number: int, node: Node) -> None:
        self._number = max(self._number, number)
        self._entries[number] = node
        self._by_id.setdefault((node.tag, node.get("id")), deque()).append(number)

    def add(self, node: Node) -> bool:
        """Keeps a stanza until it is confirmed; False when the mailbox is full."""
        if len(self._entries) >= LIMIT:
            return False
        number = self._number + 1
        self._index(number, node)
        self._state.put(KIND, self._key(number), lambda: encode(node), new=True)
        return True

    def confirm(self, tag: str, id: str) -> Node | None:
        """Forgets the oldest stanza of that kind and id, and returns it."""
        numbers = self._by_id.get((tag, id))
        if not numbers:
            return None
        number = numbers.popleft()
        if not numbers:
            del self._by_id[(tag, id)]
        self._state.delete(KIND, self._key(number))
        return self._entries.pop(number)

    def clear(self) -> None:
        """Forgets everything: the device is gone."""
        for number in self._entries:
            self._state.delete(KIND, self._key(number))
        self._entries.clear()
        self._by_id.clear()


def load(state: State) -> dict[str, Mailbox]:
    """All mailboxes of an earlier run by their owner, `<account id>:<device>`."""
    boxes: dict[str, Mailbox] = {}
    for key, row in state.load(KIND):
        owner, _, number = key.partition("/")
        boxes.setdefault(owner, Mailbox(state, owner)).restore(int(number), row)
    return boxes
