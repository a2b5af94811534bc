"""Files: pictures, videos, sounds, documents, stickers, and the albums that hold some together."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from wa_api.domain.content import Album, Audio, Content, Document, File, Image, Sticker, Video
from wa_api.domain.media import MediaKind, Ready
from workers.engine.convert.parts import kind_of, part_of, unwrap
from workers.engine.neonize import wa
from workers.engine.port import Remote, Uploaded

#: A longer thumbnail is not worth its place in rows and events.
_MOST_THUMBNAIL = 32_768

_VOICE = "audio/ogg; codecs=opus"

#: By the part of a message: the kind whose keys its file is encrypted with.
_KEYED_AS = {
    "imageMessage": MediaKind.IMAGE,
    "stickerMessage": MediaKind.IMAGE,
    "videoMessage": MediaKind.VIDEO,
    "ptvMessage": MediaKind.VIDEO,
    "audioMessage": MediaKind.AUDIO,
    "documentMessage": MediaKind.DOCUMENT,
}


def to_file(content: File, file: Uploaded) -> Any:
    """The message with a file that was uploaded."""
    match content:
        case Image():
            part = wa.ImageMessage(caption=content.caption, **_sides(file), **_where(file))
            return _once(content, wa.Message(imageMessage=_with_thumbnail(part, file)))
        case Video():
            return _video(content, file)
        case Audio():
            return _audio(content, file)
        case Document():
            return _document(content, file)
        case Sticker():
            part = wa.StickerMessage(isAnimated=file.facts.animated, **_sides(file), **_where(file))
            return wa.Message(stickerMessage=part)
        case _:
            raise ValueError(f"Content of the kind {type(content).__name__} carries no file.")


def _video(content: Video, file: Uploaded) -> Any:
    part = wa.VideoMessage(
        caption=content.caption,
        seconds=file.facts.seconds,
        gifPlayback=content.gif,
        **_sides(file),
        **_where(file),
    )
    _with_thumbnail(part, file)
    if content.note:
        return wa.Message(ptvMessage=part)
    return _once(content, wa.Message(videoMessage=part))


def _audio(content: Audio, file: Uploaded) -> Any:
    part = wa.AudioMessage(seconds=file.facts.seconds, PTT=content.voice, **_where(file))
    if content.voice:
        part.mimetype = _VOICE
        if file.facts.waveform:
            part.waveform = b64decode(file.facts.waveform)
    return _once(content, wa.Message(audioMessage=part))


def _document(content: Document, file: Uploaded) -> Any:
    name = content.filename or "file"
    part = wa.DocumentMessage(title=name, fileName=name, caption=content.caption, **_where(file))
    _with_thumbnail(part, file)
    plain = wa.Message(documentMessage=part)
    if not content.caption:
        return plain
    # Clients show a document's caption only inside of this.
    return wa.Message(documentWithCaptionMessage=wa.FutureProofMessage(message=plain))


def _once(content: Image | Video | Audio, message: Any) -> Any:
    if not content.view_once:
        return message
    part_of(message).viewOnce = True
    wrapper = "viewOnceMessageV2Extension" if isinstance(content, Audio) else "viewOnceMessageV2"
    return wa.Message(**{wrapper: wa.FutureProofMessage(message=message)})


def _where(file: Uploaded) -> dict[str, Any]:
    return {
        "URL": file.url,
        "directPath": file.direct_path,
        "mediaKey": file.key,
        "mediaKeyTimestamp": int(time.time()),
        "fileSHA256": file.sha256,
        "fileEncSHA256": file.enc_sha256,
        "fileLength": file.size,
        "mimetype": file.mimetype,
    }


def _sides(file: Uploaded) -> dict[str, Any]:
    return {"width": file.facts.width, "height": file.facts.height}


def _with_thumbnail(part: Any, file: Uploaded) -> Any:
    if file.facts.thumbnail:
        part.JPEGThumbnail = b64decode(file.facts.thumbnail)
    return part


def to_album(album: Album) -> Any:
    """The message that says what follows."""
    part = wa.AlbumMessage(expectedImageCount=album.images, expectedVideoCount=album.videos)
    return wa.Message(albumMessage=part)


# ── and back ──


def uploaded(said: Any, file: Ready) -> Uploaded:
    """What the library says of an upload (`proto.UploadResponse`), with what is known of the file."""
    return Uploaded(
        url=said.url,
        direct_path=said.DirectPath,
        key=said.MediaKey,
        sha256=said.FileSHA256,
        enc_sha256=said.FileEncSHA256,
        size=said.FileLength,
        mimetype=file.mimetype,
        facts=file.facts,
    )


def remote_of(raw: bytes) -> Remote | None:
    """Where the file of a serialised waE2E.Message is; None when it carries none."""
    inner = unwrap(wa.Message.FromString(raw))
    kind = kind_of(inner)
    keyed_as = _KEYED_AS.get(kind or "")
    part = part_of(inner)
    if keyed_as is None or not part.directPath or not part.mediaKey:
        return None
    return Remote(
        direct_path=part.directPath,
        key=part.mediaKey,
        sha256=part.fileSHA256,
        enc_sha256=part.fileEncSHA256,
        size=part.fileLength,
        keyed_as=keyed_as,
    )


def _common(part: Any) -> dict[str, Any]:
    return {
        "mimetype": part.mimetype or None,
        "sha256": part.fileSHA256.hex() or None,
        "size": part.fileLength or None,
    }


def _seen(part: Any) -> dict[str, Any]:
    return {
        **_common(part),
        "caption": part.caption or None,
        "width": part.width or None,
        "height": part.height or None,
        "thumbnail": _small(part.JPEGThumbnail),
        "view_once": part.viewOnce,
    }


def _small(thumbnail: bytes) -> str | None:
    return b64encode(thumbnail).decode() if 0 < len(thumbnail) <= _MOST_THUMBNAIL else None


def _read_image(part: Any) -> Image:
    return Image(**_seen(part))


def _read_video(part: Any) -> Video:
    return Video(seconds=part.seconds or None, gif=part.gifPlayback, **_seen(part))


def _read_note(part: Any) -> Video:
    return Video(seconds=part.seconds or None, note=True, **_seen(part))


def _read_audio(part: Any) -> Audio:
    waveform = b64encode(part.waveform).decode() if 0 < len(part.waveform) <= 256 else None
    return Audio(
        seconds=part.seconds or None,
        voice=part.PTT,
        waveform=waveform,
        view_once=part.viewOnce,
        **_common(part),
    )


def _read_document(part: Any) -> Document:
    return Document(
        caption=part.caption or None,
        filename=part.fileName or part.title or None,
        thumbnail=_small(part.JPEGThumbnail),
        **_common(part),
    )


def _read_sticker(part: Any) -> Sticker:
    return Sticker(
        width=part.width or None,
        height=part.height or None,
        animated=part.isAnimated,
        **_common(part),
    )


def _read_album(part: Any) -> Album:
    return Album(images=part.expectedImageCount, videos=part.expectedVideoCount)


READ: dict[str, Callable[[Any], Content | None]] = {
    "imageMessage": _read_image,
    "videoMessage": _read_video,
    "ptvMessage": _read_note,
    "audioMessage": _read_audio,
    "documentMessage": _read_document,
    "stickerMessage": _read_sticker,
    "albumMessage": _read_album,
}
