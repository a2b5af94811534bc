"""Files are looked into and converted; what cannot be read is refused. Needs ffmpeg installed.

Both with ffmpeg and without it: `PATH` decides at run time.
"""

from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path

import pytest
from PIL import Image
from samples import animation, bomb, picture, sample, tone

from wa_api.domain.errors import ConversionUnavailable, MediaDamaged, MediaTooComplex, WaError
from wa_api.domain.media import Facts, MediaKind, is_ready
from wa_api.media.studio import Studio
from wa_api.media.types import sniff


@pytest.fixture
def studio() -> Studio:
    """With the usual limits."""
    return Studio()


@pytest.fixture
def no_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a machine without it."""
    monkeypatch.setenv("PATH", str(tmp_path))


async def inspect(studio: Studio, folder: Path, content: bytes) -> tuple[str, Facts]:
    """The type and the facts of some content."""
    file = folder / "file"
    file.write_bytes(content)
    return await studio.inspect(file, sniff(file))


async def convert(
    studio: Studio, folder: Path, content: bytes, kind: str
) -> tuple[Path, str, Facts]:
    """What was made, with its type and facts."""
    file, out = folder / "file", folder / "out"
    file.write_bytes(content)
    mimetype, facts = await studio.convert(file, sniff(file), MediaKind(kind), out)
    return out, mimetype, facts


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
async def test_a_picture_has_a_size_and_a_thumbnail(
    studio: Studio, tmp_path: Path, form: str
) -> None:
    """The thumbnail is a small JPEG."""
    _, facts = await inspect(studio, tmp_path, picture(form))
    assert (facts.width, facts.height, facts.animated) == (120, 90, False)
    small = Image.open(io.BytesIO(b64decode(facts.thumbnail or "")))
    assert (small.format, small.size) == ("JPEG", (96, 72))


async def test_a_turned_photo_is_as_it_is_seen(studio: Studio, tmp_path: Path) -> None:
    """Cameras write the sensor's rows and say which way is up."""
    exif = Image.Exif()
    exif[0x0112] = 6
    _, facts = await inspect(studio, tmp_path, picture("JPEG", exif=exif))
    assert (facts.width, facts.height) == (90, 120)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip.mp4", ("video/mp4", 1, 64, 48)),
        ("voice.ogg", ("audio/ogg", 2, None, None)),
        ("tone.mp3", ("audio/mpeg", 1, None, None)),
    ],
)
@pytest.mark.parametrize("with_ffmpeg", [True, False])
async def test_recordings_have_a_length_also_without_ffmpeg(
    studio: Studio,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    name: str,
    expected: tuple[object, ...],
    with_ffmpeg: bool,
) -> None:
    """Length and size are read in Python; ffmpeg adds a video's thumbnail and a waveform."""
    if not with_ffmpeg:
        request.getfixturevalue("no_ffmpeg")
    mimetype, facts = await inspect(studio, tmp_path, sample(name))
    assert (mimetype, facts.seconds, facts.width, facts.height) == expected
    assert (facts.thumbnail is not None) == (with_ffmpeg and name == "clip.mp4")
    assert (facts.waveform is not None) == (with_ffmpeg and name == "voice.ogg")


async def test_the_waveform_shows_loudness(studio: Studio, tmp_path: Path) -> None:
    """64 values from 0 to 100; the second half of this sample is louder."""
    _, facts = await inspect(studio, tmp_path, sample("voice.ogg"))
    bars = b64decode(facts.waveform or "")
    assert len(bars) == 64
    assert max(bars) == 100
    assert max(bars[2:28]) < 40 < min(bars[36:60])


@pytest.mark.parametrize(
    "content",
    [
        picture("JPEG")[:-400],
        picture("PNG")[:-40],
        sample("clip.mp4")[:-100],
        sample("clip.mp4")[:60],
        b"OggS" + bytes(200),
        b"\xff\xd8\xff" + bytes(500),
    ],
    ids=["jpeg", "png", "mp4", "mp4 without index", "ogg", "no jpeg at all"],
)
@pytest.mark.usefixtures("no_ffmpeg")
async def test_what_is_cut_off_is_refused(studio: Studio, tmp_path: Path, content: bytes) -> None:
    """Without ffmpeg too."""
    with pytest.raises(MediaDamaged):
        await inspect(studio, tmp_path, content)


async def test_a_decompression_bomb_is_not_decoded(studio: Studio, tmp_path: Path) -> None:
    """A few hundred bytes that would become 900 megapixels."""
    assert len(bomb()) < 2000
    with pytest.raises(MediaTooComplex):
        await inspect(studio, tmp_path, bomb())


async def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    """The process that looks into it is killed."""
    with pytest.raises(MediaTooComplex):
        await inspect(Studio(seconds=0.01), tmp_path, picture())


@pytest.mark.parametrize("content", [sample("tone.mp3"), tone(2), sample("clip.mp4")])
async def test_a_voice_note_is_made_of_any_sound(
    studio: Studio, tmp_path: Path, content: bytes
) -> None:
    """Ogg with Opus, its length, and a waveform."""
    out, mimetype, facts = await convert(studio, tmp_path, content, "voice")
    assert is_ready(MediaKind.VOICE, mimetype, facts)
    assert b"OpusHead" in out.read_bytes()[:100]
    assert facts.seconds
    assert len(b64decode(facts.waveform or "")) == 64


async def test_videos_become_mp4(studio: Studio, tmp_path: Path) -> None:
    """From WebM, and from an animated GIF."""
    for content in (sample("clip.webm"), animation("GIF", 5)):
        out, mimetype, facts = await convert(studio, tmp_path, content, "video")
        assert (mimetype, sniff(out)) == ("video/mp4", "video/mp4")
        assert facts.width
        assert facts.thumbnail


async def test_a_sound_becomes_one_that_phones_play(studio: Studio, tmp_path: Path) -> None:
    """From WAV."""
    _, mimetype, facts = await convert(studio, tmp_path, tone(2), "audio")
    assert (mimetype, facts.seconds) == ("audio/mp4", 2)


@pytest.mark.parametrize("kind", ["voice", "audio", "video"])
@pytest.mark.usefixtures("no_ffmpeg")
async def test_without_ffmpeg_it_says_so(studio: Studio, tmp_path: Path, kind: str) -> None:
    """A clear error, not a message that no phone plays."""
    with pytest.raises(ConversionUnavailable, match="ffmpeg"):
        await convert(studio, tmp_path, tone(), kind)


@pytest.mark.parametrize(
    ("content", "animated"),
    [(picture("PNG"), False), (animation("GIF"), True), (animation("WEBP"), True)],
    ids=["png", "gif", "webp"],
)
@pytest.mark.usefixtures("no_ffmpeg")
async def test_a_sticker_is_a_square_webp(
    studio: Studio, tmp_path: Path, content: bytes, animated: bool
) -> None:
    """512 by 512 on a transparent ground; what moves goes on moving."""
    out, mimetype, facts = await convert(studio, tmp_path, content, "sticker")
    assert is_ready(MediaKind.STICKER, mimetype, facts)
    assert facts.animated is animated
    with Image.open(out) as made:
        assert (made.format, made.convert("RGBA").getpixel((2, 2))[3]) == ("WEBP", 0)
        assert getattr(made, "n_frames", 1) == (3 if animated else 1)


async def test_a_picture_becomes_a_jpeg(studio: Studio, tmp_path: Path) -> None:
    """Transparent parts become white."""
    _, mimetype, facts = await convert(studio, tmp_path, picture("WEBP"), "image")
    assert (mimetype, facts.width) == ("image/jpeg", 120)


async def test_a_playlist_in_disguise_reads_no_other_file(studio: Studio, tmp_path: Path) -> None:
    """ffmpeg is told which format to read: a playlist that names files is damaged, not obeyed."""
    secret = tmp_path / "secret"
    secret.write_bytes(sample("tone.mp3"))
    playlist = f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nfile://{secret}\n#EXT-X-ENDLIST\n"
    file, out = tmp_path / "file", tmp_path / "out"
    file.write_text(playlist)
    with pytest.raises(WaError):
        await studio.convert(file, "audio/mpeg", MediaKind.VOICE, out)


async def test_an_avatar_is_the_square_middle(studio: Studio, tmp_path: Path) -> None:
    """Of any picture, at most 640 pixels wide, and as small as it was."""
    for size, side in (((900, 700), 640), ((120, 90), 90)):
        file, out = tmp_path / "file", tmp_path / "out"
        file.write_bytes(picture("PNG", size))
        await studio.avatar(file, "image/png", out)
        with Image.open(out) as made:
            assert (made.format, made.size) == ("JPEG", (side, side))
