"""Files in messages as clients write them: `{"id": …}` of an upload, or `{"link": …}`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from wa_api.domain.content import Audio, Document, Image, NewAlbum, Sticker, Video
from wa_api.http.bodies import Id
from wa_api.http.parts import Part, Strict, wrong
from wa_api.net.fetch import check_url

Link = Annotated[
    str, Meta(max_length=2048, pattern=r"^https?://", description="Fetched when it is sent.")
]
Caption = Annotated[str, Meta(max_length=4096)]


class FilePart(Part):
    """Media by its `id` (see `POST /media`), or fetched from a `link`: exactly one of them."""

    id: Id | None = None
    link: Link | None = None

    def where(self) -> dict[str, Any]:
        """The one that is given; raises InvalidBody or LinkRefused."""
        if (self.id is None) == (self.link is None):
            raise wrong("id", "give one of `id` and `link`")
        return {"id": self.id, "link": None if self.link is None else check_url(self.link)}


class ImagePart(FilePart):
    """A picture: JPEG or PNG; other formats are converted."""

    caption: Caption | None = None
    view_once: bool = False

    def content(self) -> Image:
        """See Part."""
        return Image(caption=self.caption, view_once=self.view_once, **self.where())


class VideoPart(FilePart):
    """A video: MP4; with ffmpeg other formats are converted.

    `gif` plays by itself, again and again, without sound; `note` is a round video note.
    """

    caption: Caption | None = None
    view_once: bool = False
    gif: bool = False
    note: bool = False

    def content(self) -> Video:
        """See Part."""
        if self.note and (self.gif or self.view_once or self.caption):
            raise wrong("video.note", "a video note has no caption and is no GIF nor view-once")
        return Video(
            caption=self.caption,
            view_once=self.view_once,
            gif=self.gif,
            note=self.note,
            **self.where(),
        )


class AudioPart(FilePart):
    """A sound file, or a `voice` note: Ogg with Opus; with ffmpeg others are converted."""

    voice: bool = False
    view_once: bool = False

    def content(self) -> Audio:
        """See Part."""
        return Audio(voice=self.voice, view_once=self.view_once, **self.where())


class DocumentPart(FilePart):
    """Any file. Without `filename` it is the upload's, or the end of the link."""

    caption: Caption | None = None
    filename: Annotated[str, Meta(min_length=1, max_length=200)] | None = None

    def content(self) -> Document:
        """See Part."""
        return Document(caption=self.caption, filename=self.filename, **self.where())


class StickerPart(FilePart):
    """A sticker; whatever the picture, it becomes a square WebP, animated if it was."""

    def content(self) -> Sticker:
        """See Part."""
        return Sticker(**self.where())


class AlbumFilePart(FilePart):
    """A picture or video of an album, where it can be no GIF, video note or view-once."""

    caption: Caption | None = None


class AlbumItemPart(Strict):
    """One picture or video, under the name that `type` says."""

    type: Literal["image", "video"]
    image: AlbumFilePart | None = None
    video: AlbumFilePart | None = None

    def content(self) -> Image | Video:
        """See Part."""
        given, other = self.image, self.video
        kind: type[Image | Video] = Image
        if self.type == "video":
            given, other, kind = self.video, self.image, Video
        if given is None or other is not None:
            raise wrong("album.items", "give the one member that `type` names")
        return kind(caption=given.caption, **given.where())


class AlbumPart(Strict):
    """Pictures and videos that are shown together."""

    items: Annotated[tuple[AlbumItemPart, ...], Meta(min_length=2, max_length=30)]

    def album(self) -> NewAlbum:
        """For the domain; raises InvalidBody or LinkRefused."""
        return NewAlbum(tuple(item.content() for item in self.items))
