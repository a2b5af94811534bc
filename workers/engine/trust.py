"""Which root a network's Noise certificates are checked against.

whatsmeow checks the server's certificate chain against one constant, WhatsApp's root key. Another
network (the sandbox) signs with a key of its own, so the constant is overwritten in the loaded
library's writable memory. That holds for the whole process: a process serves one network.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

from workers.engine.port import EngineUnusable

#: whatsmeow's `WACertPubKey`.
WHATSAPP_ROOT = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")


@dataclass(frozen=True, slots=True)
class Segment:
    """A writable part of a library's memory."""

    start: int
    size: int


def writable_segments(maps: str, library: str) -> list[Segment]:
    """The writable segments of `library` (the end of a path) in the text of /proc/…/maps."""
    found = []
    for line in maps.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].endswith(library) and fields[1].startswith("rw"):
            start, end = (int(part, 16) for part in fields[0].split("-"))
            found.append(Segment(start, end - start))
    return found


def find_key(key: bytes, segments: list[Segment]) -> list[int]:
    """Every address in the segments at which the key lies."""
    found = []
    for segment in segments:
        memory = ctypes.string_at(segment.start, segment.size)
        at = memory.find(key)
        while at >= 0:
            found.append(segment.start + at)
            at = memory.find(key, at + 1)
    return found


def trust(root: bytes, library: str) -> None:
    """Make the loaded `library` accept servers certified by `root` (32 bytes) and no others.

    Doing it twice with one key is harmless; a second, different key is refused, for the sessions
    that run already would be cut off.
    """
    if len(root) != len(WHATSAPP_ROOT):
        raise EngineUnusable(f"A Noise root key has 32 bytes, not {len(root)}.")
    segments = writable_segments(Path("/proc/self/maps").read_text(), library)
    if find_key(root, segments):
        return
    places = find_key(WHATSAPP_ROOT, segments)
    if len(places) != 1:
        raise EngineUnusable(
            f"The WhatsApp library holds its root key {len(places)} times, not once: either "
            "another network was chosen in this process before, or this version of neonize is "
            "not supported for networks with a root key of their own."
        )
    ctypes.memmove(places[0], root, len(root))
