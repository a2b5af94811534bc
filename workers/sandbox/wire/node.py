"""One stanza: a tag, attributes, and children or content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workers.sandbox.wire.jid import Jid

Attr = str | Jid
Attrs = dict[str, Attr]


class Node:
    """A stanza or a part of one; attributes that are None or empty are left out on the wire."""

    __slots__ = ("attrs", "content", "tag")

    def __init__(
        self,
        tag: str,
        attrs: Mapping[str, object] | None = None,
        content: bytes | str | list[Node] | None = None,
    ) -> None:
        self.tag = tag
        self.attrs: Attrs = {}
        for key, value in (attrs or {}).items():
            if value is not None and value != "":
                self.attrs[key] = value if isinstance(value, (str, Jid)) else str(value)
        self.content = content

    @property
    def children(self) -> list[Node]:
        """Child nodes; none when it holds data."""
        return self.content if isinstance(self.content, list) else []

    @property
    def data(self) -> bytes:
        """The content as bytes; empty when it holds children or nothing."""
        if isinstance(self.content, str):
            return self.content.encode()
        return self.content if isinstance(self.content, bytes) else b""

    def find(self, *path: str) -> Node | None:
        """The first descendant reached by these tags, or None."""
        node: Node | None = self
        for tag in path:
            node = next((c for c in node.children if c.tag == tag), None) if node else None
        return node

    def find_all(self, tag: str) -> Iterator[Node]:
        """The children with a tag."""
        return (child for child in self.children if child.tag == tag)

    def get(self, key: str, default: str = "") -> str:
        """An attribute as text."""
        value = self.attrs.get(key)
        return default if value is None else str(value)

    def jid(self, key: str) -> Jid | None:
        """An attribute as an address, also when the client sent it as text."""
        value = self.attrs.get(key)
        if value is None or isinstance(value, Jid):
            return value
        return Jid.parse(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return (self.tag, self.attrs, self.content) == (other.tag, other.attrs, other.content)

    __hash__ = None  # type: ignore[assignment]

    def shape(self, depth: int = 3) -> str:
        """Tags and attribute names only: safe to log, holds nobody's data."""
        inner = "".join(c.shape(depth - 1) for c in self.children[:4]) if depth > 1 else ""
        return f"<{' '.join([self.tag, *self.attrs])}>{inner}"

    def __repr__(self) -> str:
        return f"Node({self.shape()})"
