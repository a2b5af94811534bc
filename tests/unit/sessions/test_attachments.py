"""A message's file is at WhatsApp before the message counts as being sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.unit.sessions.fakes import Engine, Inbox, Log, Records, Row, owned, until, waiting
from wa_api.domain.content import Image, Preview, Text
from wa_api.domain.errors import ConversionUnavailable, Unavailable
from wa_api.domain.ids import MessageId, TenantId
from wa_api.domain.media import Facts, MediaId, MediaKind, Ready
from wa_api.domain.messages import Status
from wa_api.domain.sessions import MediaPolicy
from workers.engine.port import EngineNotReady, SendFailed
from workers.sessions import sends as module
from workers.sessions.attachments import Attachments, MediaMeans
from workers.sessions.insist import Lost
from workers.sessions.sends import Sends
from workers.sessions.voice import Debts, Voice

ONE, TWO = MessageId("msg_1"), MessageId("msg_2")


class Shelf:
    """Has every picture, unless `failure` says otherwise."""

    def __init__(self) -> None:
        self.failure: Exception | None = None

    @asynccontextmanager
    async def ready(
        self, tenant: TenantId, media: MediaId, kind: MediaKind
    ) -> AsyncIterator[Ready]:
        if self.failure is not None:
            raise self.failure
        yield Ready(
            path=Path("/nonexistent"),
            kind=kind,
            mimetype="image/jpeg",
            facts=Facts(),
            sha256="00" * 32,
            size=1,
        )


class Previews:
    """Has none; notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def of(self, url: str) -> Preview | None:
        self.asked.append(url)


class Uploading(Engine):
    """Notes what state the message is in while its file is under way."""

    def __init__(self, records: Records) -> None:
        super().__init__(self._nothing)
        self.records, self.seen = records, list[Status]()

    async def _nothing(self, _: object) -> None:
        return

    async def upload(self, file: Ready):  # type: ignore[no-untyped-def]
        self.seen.append(self.records.messages[ONE].status)
        return await super().upload(file)


class Stage:
    """Two messages with the same picture."""

    def __init__(self) -> None:
        self.records, self.log, self.shelf = Records(), Log(), Shelf()
        lost = Lost()
        voice = Voice(owned(), self.log, Inbox(), Debts(), lost)
        self.previews = Previews()
        means = MediaMeans(self.shelf, MediaPolicy(), self.previews)  # type: ignore[arg-type]
        self.files = Attachments(owned(), means, voice, None)
        self.sends = Sends(owned(), self.records, voice, self.files, lost, self._never)
        self.engine = Uploading(self.records)
        for message in (ONE, TWO):
            self.records.messages[message] = Row(content=Image(id="med_1"))

    async def _never(self) -> None:
        raise AssertionError

    def status(self, message: MessageId = ONE) -> Status:
        """How far a message got."""
        return self.records.messages[message].status


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Nothing is offered yet; the engine is online."""
    monkeypatch.setattr(module, "AGAIN", 0.005)
    made = Stage()
    made.sends.online(made.engine)
    yield made
    await made.sends.close(1)


async def test_the_file_goes_first(stage: Stage) -> None:
    """While it is under way the message waits: a process that dies now has sent nothing."""
    stage.sends.offer([waiting(ONE)])
    await until(lambda: stage.status() is Status.SENT)
    assert stage.engine.seen == [Status.QUEUED]


async def test_a_file_for_many_goes_once(stage: Stage) -> None:
    """The second message refers to the same upload."""
    stage.sends.offer([waiting(ONE)])
    await until(lambda: stage.status() is Status.SENT)
    stage.sends.offer([waiting(TWO)])
    await until(lambda: stage.status(TWO) is Status.SENT)
    assert len(stage.engine.seen) == 1


async def test_a_file_that_cannot_be_sent_ends_the_message(stage: Stage) -> None:
    """With the reason; nothing went out."""
    stage.shelf.failure = ConversionUnavailable()
    stage.sends.offer([waiting(ONE)])
    await until(lambda: stage.status() is Status.FAILED)
    (told,) = stage.log.said("message.status_changed")
    assert told.error is not None
    assert told.error.code == "conversion_unavailable"
    assert stage.engine.sent == []


@pytest.mark.parametrize("where", ["store", "engine", "connection"])
async def test_what_is_only_away_is_waited_for(stage: Stage, where: str) -> None:
    """The message goes out when it is back."""
    if where == "store":
        stage.shelf.failure = Unavailable()
    elif where == "engine":
        stage.engine.failure = EngineNotReady()
    else:
        stage.engine.failure = SendFailed("not_connected", "The connection was lost.")
    stage.sends.offer([waiting(ONE)])
    await asyncio.sleep(0.03)
    assert stage.status() is Status.QUEUED
    stage.shelf.failure = stage.engine.failure = None
    await until(lambda: stage.status() is Status.SENT)


async def test_an_upload_is_not_used_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WhatsApp's servers do not keep files for ever, and an hour is plenty for a campaign."""
    stage.sends.offer([waiting(ONE)])
    await until(lambda: stage.status() is Status.SENT)
    later = time.monotonic() + 3700
    monkeypatch.setattr("workers.sessions.attachments.time.monotonic", lambda: later)
    assert stage.files.lacks(
        await stage.records.begin_sending(owned(), TWO)  # type: ignore[arg-type]
    )


async def test_a_text_goes_without_a_preview_that_cannot_be_had(stage: Stage) -> None:
    """Its link is looked up once, and the text goes out as it is."""
    text = Text(body="See https://example.org/a.", preview_url=True)
    stage.records.messages[ONE] = Row(content=text)
    stage.sends.offer([waiting(ONE)])
    await until(lambda: stage.status() is Status.SENT)
    assert stage.previews.asked == ["https://example.org/a"]
    assert [content for _, content in stage.engine.sent] == [text]


@pytest.mark.parametrize(
    "text",
    [
        Text(body="https://example.org/"),
        Text(body="no link", preview_url=True),
        Text(
            body="https://example.org/",
            preview_url=True,
            preview=Preview(url="https://example.org/", title="Given"),
        ),
    ],
)
async def test_nothing_is_looked_up_unless_it_is_needed(stage: Stage, text: Text) -> None:
    """Not unasked, not without a link, and not when the client made the preview."""
    stage.records.messages[ONE] = Row(content=text)
    stage.sends.offer([waiting(ONE)])
    await until(lambda: stage.status() is Status.SENT)
    assert stage.previews.asked == []
