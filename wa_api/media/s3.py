"""Media in an S3-compatible object store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from wa_api.domain.errors import MediaNotFound, Unavailable
from wa_api.media.drafts import Drafts
from wa_api.media.files import CHUNK, Kept, Key

#: Bytes of one part of an upload, and how many are in memory at once.
PART, PARTS = 5 << 20, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """Where the bucket is. Without keys, the usual AWS variables and roles are used."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = None
    seconds: float = 30.0  #: limit of one request


class S3Files:
    """See `files.Files`."""

    def __init__(self, options: S3Options, drafts: Drafts) -> None:
        """`drafts` is where local copies are made."""
        self._drafts = drafts
        keys = {}
        if options.access_key_id and options.secret_access_key:
            keys["access_key_id"] = options.access_key_id
            keys["secret_access_key"] = options.secret_access_key
        if options.endpoint:
            keys["endpoint"] = options.endpoint
        self._store = S3Store(
            options.bucket,
            prefix=options.prefix or None,
            region=options.region,
            client_options={
                "allow_http": (options.endpoint or "").startswith("http://"),
                "timeout": timedelta(seconds=options.seconds),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=options.seconds)},
            **keys,  # type: ignore[arg-type]
        )

    async def put(self, key: Key, source: Path) -> None:
        """See Files. Written again when it is there, which is also what renews its time."""
        with _errors():
            await obstore.put_async(
                self._store, key.path, source, chunk_size=PART, max_concurrency=PARTS
            )

    async def has(self, key: Key) -> bool:
        """See Files."""
        try:
            with _errors():
                await obstore.head_async(self._store, key.path)
        except MediaNotFound:
            return False
        return True

    async def read(self, key: Key, start: int, end: int) -> AsyncIterator[bytes]:
        """See Files."""
        if end <= start:
            return
        with _errors():
            found = await obstore.get_async(self._store, key.path, options={"range": (start, end)})
            async for piece in found.stream(min_chunk_size=CHUNK):
                yield bytes(piece)

    @asynccontextmanager
    async def local(self, key: Key) -> AsyncIterator[Path]:
        """See Files. A copy, removed afterwards."""
        with _errors():
            size = int((await obstore.head_async(self._store, key.path))["size"])
        async with self._drafts.new(size) as draft:
            async for piece in self.read(key, 0, size):
                await draft.write(piece)
            await draft.finish()
            yield draft.path

    async def delete(self, key: Key) -> None:
        """See Files."""
        try:
            with _errors():
                await obstore.delete_async(self._store, key.path)
        except MediaNotFound:
            return

    async def kept(self) -> AsyncIterator[Kept]:
        """See Files."""
        with _errors():
            async for page in obstore.list(self._store, chunk_size=500):
                for meta in page:
                    tenant, _, rest = meta["path"].partition("/")
                    try:
                        key = Key(tenant, rest.rpartition("/")[2])
                    except ValueError:
                        continue  # somebody else's
                    yield Kept(key, meta["last_modified"].timestamp())


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise MediaNotFound from None
    except BaseError as error:
        raise Unavailable("The media store does not answer.") from error
