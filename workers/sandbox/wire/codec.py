"""Binary XML: stanzas to bytes and back."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import orjson

from workers.sandbox.wire import jid as jids
from workers.sandbox.wire.jid import Jid
from workers.sandbox.wire.node import Attr, Node

_TABLE = orjson.loads(Path(__file__).with_name("tokens.json").read_bytes())
SINGLE: list[str] = _TABLE["single"]
DOUBLE: list[list[str]] = _TABLE["double"]

_DICTIONARY, _INTEROP, _MESSENGER, _AD = 236, 245, 246, 247
_LIST8, _LIST16, _PAIR, _HEX, _BIN8, _BIN20, _BIN32, _NIBBLE = range(248, 256)
_PACKED_MAX = 127
_MAX_PLAIN = 64 << 20

_ENCODED = {word: bytes([index]) for index, word in enumerate(SINGLE) if word}
for _number, _words in enumerate(DOUBLE):
    for _index, _word in enumerate(_words):
        _ENCODED.setdefault(_word, bytes([_DICTIONARY + _number, _index]))

_IS_NIBBLE = re.compile(r"[0-9.-]+\Z").match
_IS_HEX = re.compile(r"[0-9A-F]+\Z").match
_TO_NIBBLE = str.maketrans("-.", "ab")
_FROM_NIBBLE = str.maketrans("ab", "-.")
_DOMAINS = {jids.PN: 0, jids.LID: 1, jids.HOSTED: 128, jids.HOSTED_LID: 129}
_SERVERS = {number: server for server, number in _DOMAINS.items()}


class BadStanza(ValueError):
    """The bytes are not a stanza."""


def encode(node: Node) -> bytes:
    """A stanza as one uncompressed frame payload."""
    out = bytearray(1)
    _write_node(out, node)
    return bytes(out)


def _write_node(out: bytearray, node: Node) -> None:
    content = node.content
    _write_list(out, 2 * len(node.attrs) + 1 + (content is not None))
    _write_text(out, node.tag)
    for key, value in node.attrs.items():
        _write_text(out, key)
        if isinstance(value, Jid):
            _write_jid(out, value)
        else:
            _write_text(out, value)
    if content is None:
        return
    if isinstance(content, bytes):
        _write_length(out, len(content))
        out += content
    elif isinstance(content, str):
        _write_text(out, content)
    else:
        _write_list(out, len(content))
        for child in content:
            _write_node(out, child)


def _write_list(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(0)
    elif size < 256:
        out += bytes((_LIST8, size))
    else:
        out.append(_LIST16)
        out += size.to_bytes(2, "big")


def _write_length(out: bytearray, size: int) -> None:
    if size < 256:
        out += bytes((_BIN8, size))
    elif size < 1 << 20:
        out.append(_BIN20)
        out += size.to_bytes(3, "big")
    else:
        out.append(_BIN32)
        out += size.to_bytes(4, "big")


def _write_text(out: bytearray, text: str) -> None:
    known = _ENCODED.get(text)
    if known is not None:
        out += known
        return
    if text and len(text) <= _PACKED_MAX:
        if _IS_NIBBLE(text):
            _write_packed(out, _NIBBLE, text.translate(_TO_NIBBLE))
            return
        if _IS_HEX(text):
            _write_packed(out, _HEX, text)
            return
    raw = text.encode()
    _write_length(out, len(raw))
    out += raw


def _write_packed(out: bytearray, tag: int, digits: str) -> None:
    odd = len(digits) & 1
    out += bytes((tag, (len(digits) + odd) // 2 | odd << 7))
    out += bytes.fromhex(digits + "f" if odd else digits)


def _write_jid(out: bytearray, jid: Jid) -> None:
    domain = _DOMAINS.get(jid.server)
    if domain is not None and (jid.device or domain >= 128):
        out += bytes((_AD, domain, jid.device))
        _write_text(out, jid.user)
    elif jid.server == jids.MESSENGER:
        out.append(_MESSENGER)
        _write_text(out, jid.user)
        out += jid.device.to_bytes(2, "big")
        _write_text(out, jid.server)
    elif jid.server == jids.INTEROP:
        out.append(_INTEROP)
        _write_text(out, jid.user)
        out += jid.device.to_bytes(2, "big") + jid.integrator.to_bytes(2, "big")
        _write_text(out, jid.server)
    else:
        out.append(_PAIR)
        if jid.user:
            _write_text(out, jid.user)
        else:
            out.append(0)
        _write_text(out, jid.server)


def decode(payload: bytes) -> Node:
    """The stanza in one frame payload; raises BadStanza."""
    try:
        if payload[0] & 2:
            inflate = zlib.decompressobj()
            payload = b"\0" + inflate.decompress(payload[1:], _MAX_PLAIN)
        return _Reader(payload).node()
    except (IndexError, KeyError, ValueError, zlib.error, RecursionError) as error:
        raise BadStanza(f"not a stanza: {error}") from error


class _Reader:
    """Walks over one payload; running off its end raises IndexError or BadStanza."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 1

    def byte(self) -> int:
        value = self.data[self.at]
        self.at += 1
        return value

    def take(self, size: int) -> bytes:
        start, end = self.at, self.at + size
        if end > len(self.data):
            raise BadStanza("truncated")
        self.at = end
        return self.data[start:end]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def list_size(self, tag: int) -> int:
        if tag == 0:
            return 0
        if tag == _LIST8:
            return self.byte()
        if tag == _LIST16:
            return self.number(2)
        raise BadStanza(f"no list tag: {tag}")

    def node(self) -> Node:
        size = self.list_size(self.byte())
        tag = self.text()
        if not size or not tag:
            raise BadStanza("empty node")
        node = Node(tag)
        for _ in range((size - 1) >> 1):
            key = self.text()
            node.attrs[key] = self.value()
        if not size & 1:
            node.content = self.content()
        return node

    def content(self) -> bytes | str | list[Node] | None:
        tag = self.byte()
        if tag == 0:
            return None
        if tag in (_LIST8, _LIST16):
            return [self.node() for _ in range(self.list_size(tag))]
        if _BIN8 <= tag <= _BIN32:
            return self.take(self.length(tag))
        value = self.scalar(tag)
        return str(value)

    def length(self, tag: int) -> int:
        if tag == _BIN8:
            return self.byte()
        return self.number(3) & 0xFFFFF if tag == _BIN20 else self.number(4)

    def text(self) -> str:
        return str(self.value())

    def value(self) -> Attr:
        tag = self.byte()
        if _BIN8 <= tag <= _BIN32:
            return self.take(self.length(tag)).decode()
        return self.scalar(tag)

    def scalar(self, tag: int) -> Attr:
        if tag < len(SINGLE):
            return SINGLE[tag]
        if _DICTIONARY <= tag < _DICTIONARY + 4:
            return DOUBLE[tag - _DICTIONARY][self.byte()]
        if tag in (_NIBBLE, _HEX):
            return self.packed(tag)
        return self.address(tag)

    def packed(self, tag: int) -> str:
        size = self.byte()
        digits = self.take(size & 127).hex()
        if size & 128:
            digits = digits[:-1]
        return digits.translate(_FROM_NIBBLE) if tag == _NIBBLE else digits.upper()

    def address(self, tag: int) -> Jid:
        if tag == _PAIR:
            return Jid(self.text(), self.text())
        if tag == _AD:
            domain, device = self.byte(), self.byte()
            return Jid(self.text(), _SERVERS.get(domain, jids.PN), device)
        if tag == _MESSENGER:
            user, device = self.text(), self.number(2)
            return Jid(user, self.text(), device)
        if tag == _INTEROP:
            user, device, integrator = self.text(), self.number(2), self.number(2)
            return Jid(user, self.text(), device, integrator)
        raise BadStanza(f"unknown tag {tag}")
