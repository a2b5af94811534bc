"""What an MP4 file says of itself (ISO/IEC 14496-12): whether it is whole, and its tracks."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

#: Bytes of one `moov` that are read: a long film's is some MiB.
_MOST_MOOV = 64 << 20


class Broken(Exception):
    """The file is not whole, or not such a file."""


@dataclass(frozen=True, slots=True)
class Movie:
    """`seconds` is its length; `width` and `height` (pixels) are 0 when there is no picture."""

    seconds: float
    width: int
    height: int
    has_picture: bool


def read_movie(path: Path) -> Movie:
    """Walk through a file's boxes. Raises Broken."""
    size, moov = path.stat().st_size, b""
    with path.open("rb") as file:
        at, kinds = 0, set()
        while at < size:
            kind, length, begins = _top(file, at, size)
            kinds.add(kind)
            if kind == b"moov":
                file.seek(begins)
                moov = file.read(min(at + length - begins, _MOST_MOOV))
            at += length
    if not moov or not kinds & {b"mdat", b"moof"}:
        raise Broken("a part is missing")
    try:
        return _movie(moov)
    except (struct.error, IndexError, ZeroDivisionError):
        raise Broken("its index is damaged") from None


def _top(file: BinaryIO, at: int, size: int) -> tuple[bytes, int, int]:
    """A box of the file: its kind, its length, and where its content begins."""
    file.seek(at)
    head = file.read(16)
    if len(head) < 8:
        raise Broken("it ends in the middle")
    length, kind = struct.unpack(">I4s", head[:8])
    begins = at + 8
    if length == 1 and len(head) == 16:
        length, begins = struct.unpack(">Q", head[8:])[0], at + 16
    elif length == 0:
        length = size - at
    if length < 8 or at + length > size:
        raise Broken("it ends in the middle")
    return kind, length, begins


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8:
            return
        yield kind, data[at + 8 : at + length]
        at += length


def _movie(moov: bytes) -> Movie:
    seconds, width, height, picture = 0.0, 0, 0, False
    for kind, content in _boxes(moov):
        if kind == b"mvhd":
            seconds = _seconds(content)
        elif kind == b"trak":
            inside = dict(_boxes(content))
            handler = dict(_boxes(inside.get(b"mdia", b""))).get(b"hdlr", b"")[8:12]
            if handler == b"vide" and not picture:
                picture = True
                width, height = (side >> 16 for side in struct.unpack(">II", inside[b"tkhd"][-8:]))
    return Movie(seconds, width, height, picture)


def _seconds(mvhd: bytes) -> float:
    if mvhd[0] == 1:
        scale, length = struct.unpack_from(">IQ", mvhd, 20)
    else:
        scale, length = struct.unpack_from(">II", mvhd, 12)
    return float(length / scale)
