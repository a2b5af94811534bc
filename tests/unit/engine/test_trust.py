"""The root key in a library's memory."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from workers.engine.port import EngineUnusable
from workers.engine.trust import Segment, find_key, trust, writable_segments

MAPS = """\
7f00-7f10 r--p 00000000 fe:00 1 /lib/neonize-linux-amd64.so
7f10-7f30 rw-p 00000000 fe:00 1 /lib/neonize-linux-amd64.so
7f30-7f40 rw-p 00000000 00:00 0
7f40-7f50 rw-p 00000000 fe:00 1 /lib/other.so
"""

PATCH = """
from pathlib import Path
from workers.engine import neonize, trust
from workers.engine.port import EngineUnusable
segments = trust.writable_segments(Path("/proc/self/maps").read_text(), neonize.LIBRARY)
assert len(trust.find_key(trust.WHATSAPP_ROOT, segments)) == 1
for _ in range(2):
    trust.trust(b"k" * 31 + b"!", neonize.LIBRARY)
assert trust.find_key(trust.WHATSAPP_ROOT, segments) == []
try:
    trust.trust(b"j" * 32, neonize.LIBRARY)
except EngineUnusable as error:
    print(error)
"""


def test_only_writable_parts_of_the_library_are_searched():
    """Neither code nor other libraries nor anonymous memory is touched."""
    assert writable_segments(MAPS, "neonize-linux-amd64.so") == [Segment(0x7F10, 0x20)]


def test_every_place_of_a_key_is_found():
    """A key that lies in memory twice is seen twice: then it is not safe to overwrite one."""
    memory = ctypes.create_string_buffer(b"..key..key..")
    start = ctypes.addressof(memory)
    assert find_key(b"key", [Segment(start, 12)]) == [start + 2, start + 7]


def test_keys_of_another_length_are_refused():
    """A truncated key file is an error, not a network that trusts nobody."""
    with pytest.raises(EngineUnusable, match="32 bytes"):
        trust(b"short", "whatever")


def test_the_installed_library_takes_one_key_for_good():
    """In a process of its own: the constant is found once, replaced, and then stays."""
    done = subprocess.run(
        [sys.executable, "-c", PATCH],
        env={**os.environ, "GOMAXPROCS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "another network was chosen" in done.stdout
