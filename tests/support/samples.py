"""Media for tests: made with Pillow and `wave`, or small real files beside this one.

`clip.mp4` is 1 s, 64 by 48; `clip.webm` the same without sound; `voice.ogg` 2 s of Opus, the
first quieter; `tone.mp3` 1 s.
"""

from __future__ import annotations

import io
import struct
import wave
import zlib
from pathlib import Path

from PIL import Image

_FOLDER = Path(__file__).with_name("samples")


def sample(name: str) -> bytes:
    """One of the files."""
    return (_FOLDER / name).read_bytes()


def picture(form: str = "JPEG", size: tuple[int, int] = (120, 90), **how: object) -> bytes:
    """A picture with a gradient."""
    made = io.BytesIO()
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    image.save(made, form, **how)
    return made.getvalue()


def animation(form: str = "GIF", frames: int = 3) -> bytes:
    """Frames of different colours, 100 ms each."""
    made = io.BytesIO()
    shown = [Image.new("RGB", (60, 40), (80 * i % 256, 200, 30)) for i in range(frames)]
    shown[0].save(made, form, save_all=True, append_images=shown[1:], duration=100, loop=0)
    return made.getvalue()


def tone(seconds: float = 1.0) -> bytes:
    """A WAV file."""
    made = io.BytesIO()
    with wave.open(made, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(b"\x00\x10\x00\xf0" * int(4000 * seconds))
    return made.getvalue()


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few hundred bytes that says it has `side` times `side` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    lines = zlib.compress(bytes((side // 8 + 1) * 100))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    )
