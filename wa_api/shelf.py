"""Media of tenants as one thing: the row, the bytes, and what was made of them.

Used by HTTP processes (uploads) and session workers (links, what arrives, what goes out).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from wa_api.domain.content import Document
from wa_api.domain.errors import (
    MediaDamaged,
    MediaNotFound,
    MediaTooComplex,
    MediaTooLarge,
    MediaTypeRefused,
)
from wa_api.domain.ids import TenantId
from wa_api.domain.media import (
    MOST_BYTES,
    F,
    Facts,
    MediaId,
    MediaKind,
    MiB,
    Ready,
    described,
    family,
    is_ready,
    takes,
)
from wa_api.media.drafts import Draft, Drafts
from wa_api.media.files import Files, Key, LocalFiles
from wa_api.media.jobs import Page
from wa_api.media.studio import Studio
from wa_api.media.types import settle, sniff
from wa_api.net.addresses import Rules
from wa_api.net.fetch import Fetcher
from wa_api.store import media as rows
from wa_api.store.media import MediaRow, NewMedia


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a file comes from: what it is said to be, and whose message it came with."""

    mimetype: str | None = None
    filename: str | None = None
    session: str = ""
    trusted: bool = False  #: WhatsApp's clients made it: it is kept without being looked into


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOptions:
    """Where media are kept (`url` None: in `folder`), and the limits; seconds and bytes."""

    folder: Path
    url: str | None = None
    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key_id: str | None = None
    s3_secret_access_key: str | None = None
    max_bytes: int = 100 * MiB
    fetch_seconds: float = 30.0
    convert_seconds: float = 60.0
    allowed: tuple[str, ...] = ()


def open_shelf(options: MediaOptions) -> Shelf:
    """The shelf of a process."""
    drafts = Drafts(options.folder / "drafts")
    files = _s3(options, drafts) or LocalFiles(options.folder)
    fetcher = Fetcher(rules=Rules(options.allowed), seconds=options.fetch_seconds)
    studio = Studio(seconds=options.convert_seconds)
    return Shelf(files, drafts, studio, fetcher, options.max_bytes)


def _s3(options: MediaOptions, drafts: Drafts) -> Files | None:
    if options.url is None or not options.url.startswith("s3://"):
        return None
    from wa_api.media.s3 import S3Files, S3Options  # 5 MB of memory in every process

    bucket, _, prefix = options.url.removeprefix("s3://").partition("/")
    where = S3Options(
        bucket=bucket,
        prefix=prefix,
        endpoint=options.s3_endpoint,
        region=options.s3_region,
        access_key_id=options.s3_access_key_id,
        secret_access_key=options.s3_secret_access_key,
    )
    return S3Files(where, drafts)


def check_fits(kind: MediaKind, mimetype: str, size: int) -> None:
    """Raise MediaTypeRefused or MediaTooLarge when a file cannot be sent as that kind."""
    if not takes(kind, mimetype):
        raise MediaTypeRefused(f"A file of type {mimetype} cannot be sent as {kind}.")
    check_size(size, kind)


def check_size(size: int, kind: MediaKind) -> None:
    """Raise MediaTooLarge when WhatsApp would not take so many bytes as that kind."""
    if size > MOST_BYTES[kind]:
        most = MOST_BYTES[kind]
        raise MediaTooLarge(f"As {kind} at most {most // MiB} MiB can be sent.", most=most)


def shown(file: F, row: MediaRow) -> F:
    """A message's content with what is known of the media that it carries."""
    known = replace(file, id=row.id, sha256=row.sha256, size=row.size)
    if isinstance(known, Document) and not known.filename:
        known = replace(known, filename=row.filename)
    return described(known, row.mimetype, row.facts)


class Shelf:
    """All media that this process can reach."""

    def __init__(
        self, files: Files, drafts: Drafts, studio: Studio, fetcher: Fetcher, most: int
    ) -> None:
        """`most` bytes of one file are taken."""
        self.files, self.drafts, self.most = files, drafts, most
        self._studio, self.fetcher = studio, fetcher

    @asynccontextmanager
    async def draft(self, most: int | None = None) -> AsyncIterator[Draft]:
        """A place for a file to come in; it is gone at the end unless it was taken."""
        async with self.drafts.new(min(self.most, most or self.most)) as draft:
            yield draft

    async def take(
        self, tenant: TenantId, draft: Draft, origin: Origin, kind: MediaKind | None = None
    ) -> MediaRow:
        """Keep a draft that is complete; with `kind`, only if it can be sent as that.

        Raises MediaTypeRefused, MediaTooLarge, MediaDamaged or MediaTooComplex.
        """
        if not draft.size:
            raise MediaDamaged("The file is empty.")
        await draft.finish()
        known = await rows.same(tenant, draft.sha256)
        if known is None or (known.facts.unseen and not origin.trusted):
            mimetype, facts = await self._look_into(draft, origin)
        else:
            settle(known.mimetype, origin.mimetype)
            mimetype, facts = known.mimetype, known.facts
        if kind is not None:
            check_fits(kind, mimetype, draft.size)
        key = Key(tenant, draft.sha256)
        if known is None or not await self.files.has(key):
            await self.files.put(key, draft.path)
        new = NewMedia(
            sha256=draft.sha256,
            size=draft.size,
            mimetype=mimetype,
            facts=facts,
            filename=origin.filename,
            session=origin.session,
        )
        return await rows.add(tenant, new)

    async def _look_into(self, draft: Draft, origin: Origin) -> tuple[str, Facts]:
        found = sniff(draft.path)
        if origin.trusted:
            said = (origin.mimetype or "").partition(";")[0].strip()
            return said or found, Facts(unseen=True)
        mimetype = settle(found, origin.mimetype)
        return await self._studio.inspect(draft.path, mimetype)

    async def inspected(self, row: MediaRow) -> MediaRow:
        """The row with its facts, also of a file that was trusted when it arrived.

        One that cannot be looked into stays as it is: WhatsApp has taken it once.
        """
        if not row.facts.unseen or family(row.mimetype) is MediaKind.DOCUMENT:
            return row
        mimetype, facts = row.mimetype, Facts()
        async with self.files.local(Key(row.tenant, row.sha256)) as path:
            with suppress(MediaDamaged, MediaTooComplex):
                mimetype, facts = await self._studio.inspect(path, row.mimetype)
        return await rows.describe(row.tenant, row.id, mimetype, facts)

    async def avatar(self, image: bytes) -> bytes:
        """What to show as a profile's or group's picture, of any picture: a square JPEG.

        Nothing is kept. Raises MediaTypeRefused, MediaDamaged or MediaTooComplex.
        """
        async with self.draft() as draft, self.drafts.place() as out:
            await draft.write(image)
            mimetype = await _picture(draft)
            await self._studio.avatar(draft.path, mimetype, out)
            return await asyncio.to_thread(out.read_bytes)

    async def avatar_of(self, row: MediaRow) -> bytes:
        """As `avatar`, of media that are kept. Raises MediaNotFound too."""
        if not takes(MediaKind.IMAGE, row.mimetype):
            raise MediaTypeRefused(f"A file of type {row.mimetype} is no picture.")
        async with (
            self.files.local(Key(row.tenant, row.sha256)) as source,
            self.drafts.place() as out,
        ):
            await self._studio.avatar(source, row.mimetype, out)
            return await asyncio.to_thread(out.read_bytes)

    async def thumbnail(self, draft: Draft) -> str:
        """A small JPEG of a picture, in base64; raises as `avatar`. The draft is not kept."""
        mimetype = await _picture(draft)
        _, facts = await self._studio.inspect(draft.path, mimetype)
        return facts.thumbnail or ""

    async def page(self, draft: Draft, mimetype: str) -> Page:
        """What a web page says of itself. Raises MediaTooComplex. The draft is not kept."""
        await draft.finish()
        return await self._studio.page(draft.path, mimetype)

    async def fetch(self, tenant: TenantId, url: str, kind: MediaKind, origin: Origin) -> MediaRow:
        """Keep what a link leads to. Raises LinkRefused, LinkFailed, and what `take` raises."""
        async with (
            self.fetcher.open(url) as fetched,
            self.draft(MOST_BYTES[kind]) as draft,
        ):
            if fetched.length is not None:
                check_size(fetched.length, kind)
            async for piece in fetched.pieces:
                await draft.write(piece)
            name = origin.filename or fetched.filename
            said = Origin(filename=name, session=origin.session, mimetype=_said(fetched.mimetype))
            return await self.take(tenant, draft, said, kind)

    @asynccontextmanager
    async def ready(
        self, tenant: TenantId, media: MediaId, kind: MediaKind
    ) -> AsyncIterator[Ready]:
        """A local file of media to be sent as a kind, converted if need be (once).

        Raises MediaNotFound, what `check_fits` and converting raise, and Unavailable.
        """
        row = await rows.get(tenant, media)
        check_fits(kind, row.mimetype, row.size)
        if not is_ready(kind, row.mimetype, row.facts):
            row = await rows.made(tenant, media, kind) or await self._make(row, kind)
        async with self.files.local(Key(tenant, row.sha256)) as path:
            yield Ready(
                path=path,
                kind=kind,
                mimetype=row.mimetype,
                facts=row.facts,
                sha256=row.sha256,
                size=row.size,
            )

    async def _make(self, row: MediaRow, kind: MediaKind) -> MediaRow:
        async with (
            self.files.local(Key(row.tenant, row.sha256)) as source,
            self.drafts.place() as out,
        ):
            mimetype, facts = await self._studio.convert(source, row.mimetype, kind, out)
            sha256, size = await self.drafts.measure(out)
            check_size(size, kind)
            await self.files.put(Key(row.tenant, sha256), out)
        new = NewMedia(
            sha256=sha256,
            size=size,
            mimetype=mimetype,
            facts=facts,
            filename=row.filename,
            session=row.session,
            original=row.id,
            made_as=kind,
        )
        return await rows.add(row.tenant, new)

    async def delete(self, tenant: TenantId, media: MediaId) -> None:
        """Forget media, and remove the file unless it is needed. Raises MediaNotFound."""
        await self.remove_unused(tenant, [await rows.delete(tenant, media)])

    async def remove_unused(self, tenant: TenantId, hashes: Iterable[str]) -> int:
        """Remove those files that no row names any more; how many."""
        wanted = list(hashes)
        unused = set(wanted) - await rows.in_use(tenant, wanted)
        for sha256 in unused:
            await self.files.delete(Key(tenant, sha256))
        return len(unused)

    def read(self, row: MediaRow, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes of media from `start` up to `end` (exclusive)."""
        return self.files.read(Key(row.tenant, row.sha256), start, end)

    async def find(self, tenant: TenantId, media: MediaId) -> MediaRow:
        """Media whose file is there; raises MediaNotFound."""
        row = await rows.get(tenant, media)
        if not await self.files.has(Key(tenant, row.sha256)):
            raise MediaNotFound
        return row


async def _picture(draft: Draft) -> str:
    """The type of a picture that is complete. Raises MediaTypeRefused."""
    await draft.finish()
    mimetype = sniff(draft.path)
    if not takes(MediaKind.IMAGE, mimetype):
        raise MediaTypeRefused(f"A file of type {mimetype} is no picture.")
    return mimetype


def _said(mimetype: str | None) -> str | None:
    """Many servers call everything `text/plain` or octets when they do not know."""
    plain = (mimetype or "").partition(";")[0].strip().lower()
    return None if plain.startswith("text/") or "/" not in plain else plain
