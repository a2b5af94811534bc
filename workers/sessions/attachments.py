"""Files and links of one session's messages: made ready before a send; files fetched on arrival.

A file goes to WhatsApp's media servers before its message is marked as being sent: a process that
dies meanwhile has sent nothing, and the next owner begins anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from wa_api.domain.content import File, Text
from wa_api.domain.errors import EngineRefused, MediaGone, MessageNotFound, Unavailable, WaError
from wa_api.domain.events import MessageMediaFailed, MessageMediaStored
from wa_api.domain.ids import MessageId
from wa_api.domain.media import MediaId, MediaKind, kind_of
from wa_api.domain.messages import Address, MessageView, Problem, Status
from wa_api.domain.sessions import MediaPolicy
from wa_api.shelf import Origin, Shelf, shown
from wa_api.store import media as rows
from wa_api.store.media import MediaRow
from wa_api.store.rows import Advance, Outgoing
from workers.engine.port import CallFailed, Engine, EngineNotReady, Uploaded
from workers.sessions.previews import Previews, first_url
from workers.sessions.records import Owned
from workers.sessions.voice import Voice

log = structlog.get_logger()

#: Uploads of a session that are remembered, and for how long (seconds): what goes to many chats
#: goes to the media servers once.
_REMEMBERED, _GOOD_SECONDS = 256, 3600.0
#: Files that are fetched at once, and that may wait for it; more are fetched when asked for.
_AT_ONCE, _WAITING = 2, 200
_NOT_CONNECTED = "not_connected"


@dataclass(frozen=True, slots=True)
class MediaMeans:
    """What every session of a process has for files."""

    shelf: Shelf
    policy: MediaPolicy  #: of sessions without their own
    previews: Previews


class Attachments:
    """See above."""

    def __init__(
        self, owned: Owned, means: MediaMeans, voice: Voice, policy: MediaPolicy | None
    ) -> None:
        """`policy` is the session's own."""
        self._owned, self._shelf, self._voice = owned, means.shelf, voice
        self._previews = means.previews
        self._bare: deque[MessageId] = deque(maxlen=_REMEMBERED)  #: go without a preview
        self._standard = means.policy
        self._policy = policy or means.policy
        self._uploads: OrderedDict[tuple[str, MediaKind], tuple[Uploaded, float]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_AT_ONCE)

    def adopt(self, policy: MediaPolicy | None) -> None:
        """The session's own policy is this from now on."""
        self._policy = policy or self._standard

    # Out ----------------------------------------------------------------------------------------

    def lacks(self, message: Outgoing) -> bool:
        """Whether something must be made ready before this message can go out.

        What is forwarded stays where it is at the media servers.
        """
        if message.context.forward_of is not None:
            return False
        if _wish(message) is not None:
            return message.id not in self._bare
        return isinstance(message.content, File) and self.uploaded(message) is None

    def uploaded(self, message: Outgoing) -> Uploaded | None:
        """The message's file at the media servers."""
        file = message.content
        if not isinstance(file, File) or file.id is None:
            return None
        found = self._uploads.get((file.id, kind_of(file)))
        return found[0] if found is not None and found[1] > time.monotonic() else None

    async def make_ready(self, engine: Engine, message: Outgoing) -> Advance | bool:
        """Fetch, convert, upload, or look a link up: whether it can go out now, or how it ended
        for good.
        """
        try:
            if (wish := _wish(message)) is not None:
                await self._preview(message.id, *wish)
            if isinstance(message.content, File):
                await self._make_ready(engine, message, message.content)
        except (Unavailable, EngineNotReady):
            return False
        except (WaError, CallFailed) as error:
            if error.code == _NOT_CONNECTED:
                return False
            problem = Problem(code=error.code, detail=str(error))
            return Advance(id=message.id, status=Status.FAILED, time=time.time(), error=problem)
        return True

    async def _preview(self, message: MessageId, text: Text, link: str) -> None:
        preview = await self._previews.of(link)
        if preview is None:
            self._bare.append(message)
            return
        text = msgspec.structs.replace(text, preview=preview)
        await rows.attach(self._owned.tenant, self._owned.session, message, text)

    async def _make_ready(self, engine: Engine, message: Outgoing, file: File) -> None:
        tenant = self._owned.tenant
        if file.id is None:
            file = await self._fetched(message, file)
        media, kind = MediaId(str(file.id)), kind_of(file)
        async with self._shelf.ready(tenant, media, kind) as ready:
            uploaded = await engine.upload(ready)
        self._uploads[(media, kind)] = (uploaded, time.monotonic() + _GOOD_SECONDS)
        while len(self._uploads) > _REMEMBERED:
            self._uploads.popitem(last=False)

    async def _fetched(self, message: Outgoing, file: File) -> File:
        kind, name = kind_of(file), getattr(file, "filename", None)
        origin = Origin(filename=name, session=self._owned.session)
        row = await self._shelf.fetch(self._owned.tenant, file.link or "", kind, origin)
        file = shown(file, row)
        await rows.attach(self._owned.tenant, self._owned.session, message.id, file)
        return file

    # In -----------------------------------------------------------------------------------------

    def arrived(self, engine: Engine | None, message: MessageView, file: File, raw: bytes) -> None:
        """Fetch the file of a message soon, if that is the policy."""
        policy = self._policy
        wanted = message.type in policy.kinds and (file.size or 0) <= policy.max_bytes
        if not wanted or engine is None or len(self._tasks) >= _WAITING:
            return
        task = asyncio.create_task(self._fetch(engine, message.id, message.chat, file, raw))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fetch(
        self, engine: Engine, message: str, chat: Address, file: File, raw: bytes
    ) -> None:
        try:
            async with self._room:
                await self._store(engine, MessageId(message), chat, file, raw)
        except Exception as error:
            known = isinstance(error, WaError | CallFailed)
            log.info("media.not_fetched", message=message, exc_info=None if known else error)
            code = error.code if isinstance(error, WaError | CallFailed) else WaError.code
            problem = Problem(code=code, detail=str(error) if known else WaError().detail)
            await self._voice.mention(MessageMediaFailed(id=message, chat=chat, error=problem))

    async def _store(
        self, engine: Engine, message: MessageId, chat: Address, file: File, raw: bytes
    ) -> MediaRow:
        tenant, session = self._owned.tenant, self._owned.session
        origin = Origin(
            mimetype=file.mimetype,
            filename=getattr(file, "filename", None),
            session=session,
            trusted=True,
        )
        async with (
            self._shelf.draft() as draft,
            aclosing(engine.download(raw, draft.most)) as pieces,
        ):
            async for piece in pieces:
                await draft.write(piece)
            row = await self._shelf.take(tenant, draft, origin)
        await rows.attach(tenant, session, message, msgspec.structs.replace(file, id=row.id))
        await self._voice.mention(
            MessageMediaStored(
                id=message,
                chat=chat,
                media=row.id,
                mimetype=row.mimetype,
                sha256=row.sha256,
                size=row.size,
            )
        )
        return row

    async def fetch(self, engine: Engine, message: MessageId) -> dict[str, Any]:
        """Fetch the file of a message because somebody asks; {"media": id}.

        Raises MessageNotFound, MediaGone, MediaTooLarge, MediaDamaged or EngineRefused.
        """
        source = await rows.source(self._owned.tenant, self._owned.session, message)
        if source is None or not isinstance(source.content, File):
            raise MessageNotFound("There is no such message with a file.")
        if not source.proto:
            raise MediaGone("The message's keys were not kept.")
        try:
            row = await self._store(engine, message, source.chat, source.content, source.proto)
        except CallFailed as error:
            raise EngineRefused(error.detail) from None
        return {"media": row.id}

    async def close(self) -> None:
        """What is not fetched yet is fetched when asked for."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _wish(message: Outgoing) -> tuple[Text, str] | None:
    """A text whose first link shall have a preview that it has not got yet, and that link."""
    text = message.content
    if not isinstance(text, Text) or not text.preview_url or text.preview is not None:
        return None
    link = first_url(text.body)
    return None if link is None else (text, link)
