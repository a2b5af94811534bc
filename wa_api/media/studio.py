"""Looking into files and converting them: each in a process of its own, few at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import msgspec
import structlog

from wa_api.domain.errors import (
    ConversionUnavailable,
    MediaDamaged,
    MediaTooComplex,
    MediaTooLarge,
    MediaTypeRefused,
    WaError,
)
from wa_api.domain.media import Facts, MediaKind, family
from wa_api.media.jobs import Job, Page, Result

log = structlog.get_logger()

_PAGE_SECONDS = 2  #: of processor time; a page that was not made to take long takes 0.1

_PROBLEMS: dict[str, type[WaError]] = {
    one.code: one
    for one in (
        ConversionUnavailable,
        MediaDamaged,
        MediaTooComplex,
        MediaTooLarge,
        MediaTypeRefused,
    )
}


class Studio:
    """What this process has done to files."""

    def __init__(self, *, seconds: float = 60.0, at_once: int = 2) -> None:
        """`seconds` that one file may take; `at_once` are worked on, the others wait."""
        self._seconds = seconds
        self._room = asyncio.Semaphore(at_once)

    async def inspect(self, path: Path, mimetype: str) -> tuple[str, Facts]:
        """The true type and the facts of a local file whose content begins like `mimetype`.

        Raises MediaDamaged or MediaTooComplex. Documents are not looked into.
        """
        if family(mimetype) is MediaKind.DOCUMENT:
            return mimetype, Facts()
        done = await self._do(Job(task="inspect", path=str(path), mimetype=mimetype))
        return done.mimetype, done.facts

    async def page(self, path: Path, mimetype: str) -> Page:
        """What a web page says of itself; `mimetype` with the charset, if its server says one.

        Raises MediaTooComplex.
        """
        job = Job(task="page", path=str(path), mimetype=mimetype, seconds=_PAGE_SECONDS)
        return (await self._do(job)).page

    async def convert(
        self, path: Path, mimetype: str, kind: MediaKind, out: Path
    ) -> tuple[str, Facts]:
        """Make `out` of `path`, fit to be sent as `kind`; its type and facts.

        Raises what `inspect` raises, ConversionUnavailable, MediaTooLarge, MediaTypeRefused.
        """
        job = Job(task=kind, path=str(path), mimetype=mimetype, out=str(out))
        done = await self._do(job)
        return done.mimetype, done.facts

    async def avatar(self, path: Path, mimetype: str, out: Path) -> None:
        """Make `out`, a square JPEG of at most 640 pixels, of a picture; raises as `inspect`."""
        await self._do(Job(task="avatar", path=str(path), mimetype=mimetype, out=str(out)))

    async def _do(self, job: Job) -> Result:
        async with self._room:
            answer, code = await self._run(msgspec.json.encode(job))
        try:
            result = msgspec.json.decode(answer, type=Result)
        except msgspec.DecodeError:
            # The system ended it: out of memory, time or space; or a decoder crashed.
            log.warning("media.workshop_died", task=job.task, code=code)
            raise MediaTooComplex from None
        if result.problem is not None:
            raise _PROBLEMS.get(result.problem, MediaDamaged)(result.detail)
        return result

    async def _run(self, job: bytes) -> tuple[bytes, int | None]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wa_api.media.workshop"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._seconds):
                answer, _ = await process.communicate(job)
        except TimeoutError:
            raise MediaTooComplex("The media takes too long to read.") from None
        finally:
            await _end(process)
        return answer, process.returncode


async def _end(process: asyncio.subprocess.Process) -> None:
    """Whatever happened: it and the programs it started are gone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
