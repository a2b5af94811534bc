"""Rows about media of one tenant; `wa_api.media` has the bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from wa_api.domain.content import Content, File, Text
from wa_api.domain.errors import MediaNotFound
from wa_api.domain.ids import MessageId, SessionId, TenantId, new_id
from wa_api.domain.media import Facts, MediaId, MediaKind
from wa_api.domain.messages import Address
from wa_api.store.db import Row, Sql, Work, database, now_ms
from wa_api.store.views import address, decode_content, encode_content, seconds, to_ms

_encode = msgspec.json.Encoder().encode
_facts = msgspec.json.Decoder(Facts)
_UNSEEN = _encode(Facts(unseen=True)).decode()

#: A row is touched again only when its last use is so long ago (ms): reading is no write.
_TOUCH_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMedia:
    """A file that was kept. `session` is "" for uploads."""

    sha256: str
    size: int
    mimetype: str
    facts: Facts
    filename: str | None = None
    session: str = ""
    original: MediaId | None = None
    made_as: MediaKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRow:
    """Media of a tenant; times are Unix seconds."""

    id: MediaId
    tenant: TenantId
    session: str
    sha256: str
    size: int
    mimetype: str
    filename: str | None
    facts: Facts
    created_at: float
    used_at: float


def _row(row: Row) -> MediaRow:
    return MediaRow(
        id=MediaId(row["id"]),
        tenant=TenantId(row["tenant"]),
        session=row["session"],
        sha256=row["sha256"],
        size=row["size"],
        mimetype=row["mimetype"],
        filename=row["filename"],
        facts=_facts.decode(row["facts"]),
        created_at=seconds(row["created_at"]),
        used_at=seconds(row["used_at"]),
    )


async def add(tenant: TenantId, new: NewMedia) -> MediaRow:
    """A row for a file; the one that is there already when the session has the file."""
    now = now_ms()
    rows = await database().fetch(
        "INSERT INTO media (id, tenant, session, sha256, size, mimetype, filename, facts, "
        "original, made_as, created_at, used_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) "
        "ON CONFLICT (tenant, sha256, session) DO UPDATE SET used_at = excluded.used_at, "
        "filename = COALESCE(excluded.filename, media.filename), "
        # What was only trusted so far may have been looked into now.
        "mimetype = CASE media.facts WHEN $12 THEN excluded.mimetype ELSE media.mimetype END, "
        "facts = CASE media.facts WHEN $12 THEN excluded.facts ELSE media.facts END, "
        "original = COALESCE(excluded.original, media.original), "
        "made_as = COALESCE(excluded.made_as, media.made_as) RETURNING *",
        *(new_id("med"), tenant, new.session, new.sha256, new.size, new.mimetype, new.filename),
        *(_encode(new.facts).decode(), new.original, new.made_as, now, _UNSEEN),
    )
    return _row(rows[0])


async def describe(tenant: TenantId, media: MediaId, mimetype: str, facts: Facts) -> MediaRow:
    """Write down what was found in a file. Raises MediaNotFound."""
    rows = await database().fetch(
        "UPDATE media SET mimetype = $3, facts = $4 WHERE id = $1 AND tenant = $2 RETURNING *",
        *(media, tenant, mimetype, _encode(facts).decode()),
    )
    if not rows:
        raise MediaNotFound
    return _row(rows[0])


async def find(tenant: TenantId, media: MediaId) -> MediaRow | None:
    """Media, or None. Its use is noted."""
    now = now_ms()
    rows = await database().fetch(
        "SELECT * FROM media WHERE id = $1 AND tenant = $2", media, tenant
    )
    if not rows:
        return None
    if rows[0]["used_at"] < now - _TOUCH_MS:
        await database().fetch(
            "UPDATE media SET used_at = $3 WHERE id = $1 AND tenant = $2", media, tenant, now
        )
    return _row(rows[0])


async def get(tenant: TenantId, media: MediaId) -> MediaRow:
    """Media; raises MediaNotFound."""
    found = await find(tenant, media)
    if found is None:
        raise MediaNotFound
    return found


async def same(tenant: TenantId, sha256: str) -> MediaRow | None:
    """What is known of a file with that hash, whichever session has it."""
    rows = await database().fetch(
        "SELECT * FROM media WHERE tenant = $1 AND sha256 = $2 LIMIT 1", tenant, sha256
    )
    return _row(rows[0]) if rows else None


async def made(tenant: TenantId, original: MediaId, kind: MediaKind) -> MediaRow | None:
    """What was made of a file to be sent as a kind."""
    rows = await database().fetch(
        "SELECT * FROM media WHERE original = $1 AND made_as = $2 AND tenant = $3 LIMIT 1",
        original,
        kind,
        tenant,
    )
    return _row(rows[0]) if rows else None


async def delete(tenant: TenantId, media: MediaId) -> str:
    """Forget media; the hash of its file. What was made of it goes by its age."""
    rows = await database().fetch(
        "DELETE FROM media WHERE id = $1 AND tenant = $2 RETURNING sha256", media, tenant
    )
    if not rows:
        raise MediaNotFound
    return str(rows[0]["sha256"])


async def in_use(tenant: TenantId, hashes: Iterable[str]) -> set[str]:
    """Those of some files' hashes that have a row."""
    rows = await database().fetch(
        "SELECT DISTINCT sha256 FROM media WHERE tenant = $1 AND sha256 = ANY($2::text[])",
        tenant,
        list(hashes),
    )
    return {str(row["sha256"]) for row in rows}


async def expire(tenant: TenantId, before: float, limit: int = 500) -> set[str]:
    """One step of forgetting what was not used since `before` (Unix seconds); their hashes."""
    rows = await database().fetch(
        "DELETE FROM media WHERE id IN (SELECT id FROM media WHERE tenant = $1 AND used_at < $2 "
        "ORDER BY used_at LIMIT $3) RETURNING sha256",
        tenant,
        to_ms(before),
        limit,
    )
    return {str(row["sha256"]) for row in rows}


async def attach(
    tenant: TenantId, session: SessionId, message: MessageId, content: File | Text
) -> None:
    """Write into a message what became known of its file, or of its link; the rest stays."""
    await database().run(lambda: _attach(tenant, session, message, content))


_FOUND = (
    *("id", "mimetype", "sha256", "size", "filename"),
    *("width", "height", "seconds", "thumbnail", "waveform", "animated"),
    "preview",
)


def _attach(
    tenant: TenantId, session: SessionId, message: MessageId, content: File | Text
) -> Work[None]:
    rows = yield Sql(
        "SELECT content FROM messages WHERE id = $1 AND tenant = $2 AND session = $3 FOR UPDATE",
        (message, tenant, session),
    )
    kept = decode_content(rows[0]["content"]) if rows else None
    if kept is None or type(kept) is not type(content):
        return  # deleted or replaced meanwhile
    news = {name: value for name in _FOUND if (value := getattr(content, name, None))}
    text = encode_content(msgspec.structs.replace(kept, **news))[1]
    yield Sql("UPDATE messages SET content = $2 WHERE id = $1", (message, text))


@dataclass(frozen=True, slots=True)
class Source:
    """A message's file as WhatsApp knows it: its content, and the waE2E.Message with the keys."""

    chat: Address
    content: Content
    proto: bytes | None


async def source(tenant: TenantId, session: SessionId, message: MessageId) -> Source | None:
    """Where the file of a message can be fetched from; None when there is no such message."""
    rows = await database().fetch(
        "SELECT chat, chat_alt, content, proto FROM messages "
        "WHERE id = $1 AND tenant = $2 AND session = $3",
        message,
        tenant,
        session,
    )
    if not rows:
        return None
    row = rows[0]
    content = decode_content(row["content"])
    return Source(address(row["chat"], row["chat_alt"]), content, row["proto"])
