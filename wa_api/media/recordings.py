"""Videos and sounds: looked into, and converted where ffmpeg is there. In the workshop only."""

from __future__ import annotations

import math
import shutil
import subprocess
from array import array
from base64 import b64encode
from pathlib import Path
from typing import Any

import orjson
from msgspec.structs import replace
from tinytag import TinyTag, TinyTagException

from wa_api.domain.media import Facts
from wa_api.media.boxes import Broken, read_movie
from wa_api.media.jobs import Refused

BARS = 64  #: of a voice note's waveform
_RATE = 4000  #: samples per second that a waveform is made of
_SECONDS = 55  #: that one program gets

_ISO = {"video/mp4", "video/3gpp", "video/quicktime", "audio/mp4"}
_TAGGED = {"audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/wav": "wav", "audio/flac": "flac"}

#: ffmpeg's name of each type's format. It is told which one to read, and to open nothing but the
#: file: some formats refer to other files and addresses.
_DEMUXERS = {
    "audio/mpeg": "mp3",
    "audio/mp4": "mov",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "video/mp4": "mov",
    "video/3gpp": "mov",
    "video/quicktime": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/x-msvideo": "avi",
    "image/gif": "gif",
}
_QUIET = ("-nostdin", "-hide_banner", "-loglevel", "error", "-y")
#: How each kind is made, and the type it becomes.
_MADE = {
    "voice": (
        "-vn -map_metadata -1 -c:a libopus -b:a 32k -ar 48000 -ac 1 -application voip -f ogg",
        "audio/ogg",
    ),
    "audio": (
        "-vn -map_metadata -1 -c:a aac -b:a 128k -movflags +faststart -f ipod",
        "audio/mp4",
    ),
    "video": (
        (
            "-map_metadata -1 -c:v libx264 -profile:v main -preset veryfast -pix_fmt yuv420p "
            "-vf scale=trunc(iw/2)*2:trunc(ih/2)*2 -c:a aac -b:a 128k -movflags +faststart -f mp4"
        ),
        "video/mp4",
    ),
}


def inspect(path: Path, mimetype: str, *, waveform: bool = False) -> tuple[str, Facts]:
    """Look into a recording: its type (an MP4 without a picture is a sound), and what it is."""
    facts = Facts()
    if mimetype in _ISO:
        mimetype, facts = _movie(path, mimetype)
    elif mimetype in _TAGGED:
        facts = Facts(seconds=_tagged_seconds(path, mimetype), codec=_ogg_codec(path, mimetype))
    if shutil.which("ffprobe"):
        facts = _probed(path, mimetype, facts)
    opus = facts.codec == "opus"
    if (waveform or opus) and shutil.which("ffmpeg"):
        facts = _with(facts, waveform=_waveform(path, mimetype))
    return mimetype, facts


def _with(facts: Facts, **more: Any) -> Facts:
    return replace(facts, **{name: value for name, value in more.items() if value})


def _whole(seconds: float) -> int:
    return max(1, round(seconds)) if seconds > 0 else 0


def _movie(path: Path, mimetype: str) -> tuple[str, Facts]:
    try:
        movie = read_movie(path)
    except Broken as broken:
        raise Refused("media_damaged", f"The recording is damaged: {broken}.") from None
    if mimetype.startswith("video/") and not movie.has_picture:
        mimetype = "audio/mp4"
    return mimetype, _with(
        Facts(), seconds=_whole(movie.seconds), width=movie.width, height=movie.height
    )


def _tagged_seconds(path: Path, mimetype: str) -> int | None:
    # The library goes by the name's ending, and our files have none.
    with path.open("rb") as file:
        try:
            tag = TinyTag.get(f"x.{_TAGGED[mimetype]}", file_obj=file)
        except (TinyTagException, OSError, ValueError):
            raise Refused("media_damaged", "The recording is cut off or damaged.") from None
    if not tag.duration:
        raise Refused("media_damaged", "There is nothing to hear in the recording.")
    return _whole(tag.duration)


def _ogg_codec(path: Path, mimetype: str) -> str | None:
    if mimetype != "audio/ogg":
        return None
    with path.open("rb") as file:
        head = file.read(256)
    return "opus" if b"OpusHead" in head else "vorbis" if b"vorbis" in head else "other"


def _probed(path: Path, mimetype: str, facts: Facts) -> Facts:
    """With what ffprobe says; `Refused` when it cannot read the file."""
    asked = "stream=codec_type,width,height:format=duration"
    done = _run(
        "ffprobe", *_input(path, mimetype), "-v", "error", "-of", "json", "-show_entries", asked
    )
    if done.returncode:
        raise Refused("media_damaged", "The recording is cut off or damaged.")
    said = orjson.loads(done.stdout)
    picture: dict[str, Any] = next(
        (one for one in said.get("streams", ()) if one.get("codec_type") == "video"), {}
    )
    seconds = float(said.get("format", {}).get("duration") or 0)
    facts = _with(facts, seconds=_whole(seconds), **_sides(facts, picture))
    if picture and mimetype.startswith("video/") and shutil.which("ffmpeg"):
        facts = _with(facts, thumbnail=_still(path, mimetype))
    return facts


def _sides(facts: Facts, picture: dict[str, Any]) -> dict[str, Any]:
    """An MP4's own word counts: there, width and height are as shown."""
    if facts.width:
        return {}
    return {"width": picture.get("width"), "height": picture.get("height")}


def _still(path: Path, mimetype: str) -> str | None:
    shrink = "scale=96:96:force_original_aspect_ratio=decrease"
    done = _run(
        *("ffmpeg", *_QUIET, *_input(path, mimetype), "-frames:v", "1", "-vf", shrink),
        *("-f", "mjpeg", "pipe:1"),
    )
    return b64encode(done.stdout).decode() if done.returncode == 0 and done.stdout else None


def _waveform(path: Path, mimetype: str) -> str | None:
    done = _run(
        *("ffmpeg", *_QUIET, *_input(path, mimetype), "-ac", "1", "-ar", str(_RATE)),
        *("-t", "3600", "-f", "s16le", "pipe:1"),
    )
    if done.returncode or len(done.stdout) < 2 * BARS:
        return None
    return b64encode(bars(array("h", done.stdout[: len(done.stdout) & ~1]))).decode()


def bars(samples: array[int]) -> bytes:
    """Loudness (0 to 100, the loudest is 100) in BARS equal parts of a recording."""
    step = len(samples) / BARS
    parts = [samples[int(i * step) : int((i + 1) * step)] for i in range(BARS)]
    levels = [math.sqrt(sum(one * one for one in part) / len(part)) for part in parts]
    loudest = max(levels) or 1.0
    return bytes(round(100 * level / loudest) for level in levels)


def convert(path: Path, out: Path, task: str, mimetype: str) -> str:
    """Make what a kind needs; its type."""
    if not shutil.which("ffmpeg"):
        raise Refused(
            "conversion_unavailable",
            f"A file of type {mimetype} must be converted to be sent as {task}, "
            "and the gateway has no ffmpeg.",
        )
    how, made = _MADE[task]
    done = _run("ffmpeg", *_QUIET, *_input(path, mimetype), *how.split(), str(out))
    if done.returncode or not out.exists() or not out.stat().st_size:
        raise Refused("media_damaged", "The recording cannot be converted: it seems damaged.")
    return made


def _input(path: Path, mimetype: str) -> tuple[str, ...]:
    demuxer = _DEMUXERS.get(mimetype)
    if demuxer is None:
        raise Refused("media_type_refused", f"Files of type {mimetype} are not read.")
    return ("-protocol_whitelist", "file,pipe", "-f", demuxer, "-i", str(path))


def _run(*words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(words, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise Refused("media_too_complex", "The media takes too long to read.") from None
