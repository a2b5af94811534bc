"""Media of a tenant: taken, shown, read and removed; what a message may refer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from wa_api.domain.content import Content, File, Sendable
from wa_api.domain.errors import (
    MediaNotFound,
    MediaTooLarge,
    MediaTypeRefused,
    MessageNotFound,
    SessionNotConnected,
    WaError,
)
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.media import Facts as FileFacts
from wa_api.domain.media import MediaId, MediaKind, kind_of
from wa_api.domain.principals import Principal, Scope
from wa_api.domain.sessions import ONLINE
from wa_api.media.drafts import Draft
from wa_api.media.signing import Signer
from wa_api.services.bus import Owners
from wa_api.services.facts import Facts
from wa_api.services.views import at
from wa_api.shelf import Origin, Shelf, check_fits, shown
from wa_api.store import media as rows
from wa_api.store.media import MediaRow

#: How long fetching a file from WhatsApp may take while somebody waits; it goes on afterwards.
FETCH_SECONDS = 60.0


class MediaView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file. `url` (a path of this server) needs no token until `url_expires_at`.

    `sha256` is of its bytes, in hex; `size` in bytes; `session` whose message it came with.
    """

    id: str
    mimetype: str
    sha256: str
    size: int
    url: str
    url_expires_at: str
    created_at: str
    filename: str | None = None
    session: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: int | None = None
    animated: bool = False
    thumbnail: str | None = None
    waveform: str | None = None


class Media:
    """Use cases of media."""

    def __init__(self, shelf: Shelf, signer: Signer, facts: Facts, owners: Owners) -> None:
        """`signer` makes the links."""
        self.shelf, self._signer = shelf, signer
        self._facts, self._owners = facts, owners

    async def keep(
        self, who: Principal, draft: Draft, origin: Origin, kind: MediaKind | None
    ) -> MediaView:
        """Keep an upload that is complete; with `kind`, only if it can be sent as that."""
        tenant = who.require(Scope.MESSAGES_WRITE)
        return self.view(await self.shelf.take(tenant, draft, origin, kind))

    async def get(self, who: Principal, media: MediaId) -> MediaView:
        """What is known of a file."""
        return self.view(await self.row(who, media))

    async def row(self, who: Principal, media: MediaId) -> MediaRow:
        """A row that the caller may see. Raises MediaNotFound."""
        tenant = who.require(Scope.MESSAGES_READ)
        row = await rows.get(tenant, media)
        if row.session and not who.may_see(row.session):
            raise MediaNotFound
        return row

    async def signed(self, tenant: str, media: MediaId, expires: int, signature: str) -> MediaRow:
        """The row that a link leads to. Raises MediaExpired or MediaNotFound."""
        self._signer.check(tenant, media, expires, signature)
        return await rows.get(TenantId(tenant), media)

    async def delete(self, who: Principal, media: MediaId) -> None:
        """Forget a file; messages keep saying what it was."""
        tenant = who.require(Scope.MESSAGES_WRITE)
        row = await rows.get(tenant, media)
        if row.session and not who.may_see(row.session):
            raise MediaNotFound
        await self.shelf.delete(tenant, media)

    async def checked(self, who: Principal, content: Content) -> Content:
        """Content to be sent, with what is known of its file.

        Raises MediaNotFound, MediaTypeRefused or MediaTooLarge. A link is fetched later.
        """
        if not isinstance(content, File) or content.id is None or who.tenant is None:
            return content
        row = await rows.get(who.tenant, MediaId(content.id))
        if row.session and not who.may_see(row.session):
            raise MediaNotFound
        row = await self.shelf.inspected(row)
        check_fits(kind_of(content), row.mimetype, row.size)
        return shown(content, row)

    async def all_checked(
        self, who: Principal, contents: Sequence[Sendable]
    ) -> list[Sendable | WaError]:
        """As `checked`, for many; what is said twice is looked up once."""
        known: dict[File, Content | WaError] = {}
        for content in contents:
            if isinstance(content, File) and content not in known:
                try:
                    known[content] = await self.checked(who, content)
                except (MediaNotFound, MediaTypeRefused, MediaTooLarge) as error:
                    known[content] = error
        return [known[one] if isinstance(one, File) else one for one in contents]

    async def of_message(self, who: Principal, session: SessionId, message: MessageId) -> MediaView:
        """A message's file, fetched from WhatsApp first where it is not here yet.

        Raises MessageNotFound, SessionNotConnected, MediaGone, MediaTooLarge or MediaDamaged.
        """
        tenant = who.require(Scope.MESSAGES_READ)
        facts = await self._facts.get(who, session)
        source = await rows.source(tenant, session, message)
        if source is None or not isinstance(source.content, File):
            raise MessageNotFound("There is no such message with a file.")
        kept = source.content.id and await rows.find(tenant, MediaId(source.content.id))
        if kept:
            return self.view(kept)
        if facts.state not in ONLINE:
            raise SessionNotConnected
        asked = {"message": message}
        answer = await self._owners.ask(
            tenant, session, "message.fetch_media", asked, lane=message, seconds=FETCH_SECONDS
        )
        return self.view(await rows.get(tenant, MediaId(answer["media"])))

    def view(self, row: MediaRow) -> MediaView:
        """A row as callers see it."""
        url, ends = self._signer.link(row.tenant, row.id)
        return MediaView(
            id=row.id,
            mimetype=row.mimetype,
            sha256=row.sha256,
            size=row.size,
            url=url,
            url_expires_at=at(ends),
            created_at=at(row.created_at),
            filename=row.filename,
            session=row.session or None,
            **_shown(row.facts),
        )


def _shown(facts: FileFacts) -> dict[str, Any]:
    names = ("width", "height", "seconds", "animated", "thumbnail", "waveform")
    return {name: getattr(facts, name) for name in names}
