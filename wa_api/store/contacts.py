"""Whom a session knows, each under one identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wa_api.domain.addresses import LID, USER
from wa_api.domain.chats import ContactView
from wa_api.domain.errors import ContactNotFound
from wa_api.domain.ids import SessionId, TenantId
from wa_api.store.db import Row, Sql, Work, database, now_ms
from wa_api.store.identities import merge
from wa_api.store.terms import fold
from wa_api.store.views import address, time_text

MAX_LIMIT = 200
_NAMES = ("name", "push_name", "business_name")
_FACTS = (*_NAMES, "about", "picture_id", "picture_url")
_STAMPS = {"about": "about_at", "picture_id": "picture_at", "picture_url": "picture_at"}
_NAME_LENGTH = 255
#: In place of a picture's id: there is a new one, and nobody has looked at it yet.
UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What became known of somebody; None is no news, "" takes back.

    `contact` is a canonical address; with a phone number's, `lid` makes both one identity.
    `known_only`: nobody becomes a contact by it. `picture_id` may be `UNSEEN`.
    `saved`: whether the phone's address book has the `name`, by whoever reads that; then the
    other names only fill in what is not known. Nobody else changes a name that is saved.
    """

    contact: str
    lid: str | None = None
    name: str | None = None
    push_name: str | None = None
    business_name: str | None = None
    about: str | None = None
    picture_id: str | None = None
    picture_url: str | None = None
    known_only: bool = False
    saved: bool | None = None


def contact_view(row: Row) -> ContactView:
    """A `contacts` row as readers see it."""
    who = address(row["contact"], row["lid"])
    shown = {name: row[name] or None for name in _FACTS}
    unseen = shown["picture_id"] == UNSEEN
    return ContactView(
        id=who.id,
        session=row["session"],
        phone=who.phone,
        lid=who.lid,
        **shown | ({"picture_id": None} if unseen else {}),
        picture_changed=unseen,
        about_at=None if row["about_at"] is None else time_text(row["about_at"]),
        picture_at=None if row["picture_at"] is None else time_text(row["picture_at"]),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A contact that changed; `merged` says that his chat was known by its LID until now."""

    contact: ContactView
    merged: bool = False


async def learn(tenant: TenantId, session: SessionId, news: Sequence[Learned]) -> list[Change]:
    """Record what became known; those that changed by it."""
    changes = await database().run(lambda: learning(tenant, session, news))
    return [change for change in changes if change is not None]


def learning(
    tenant: TenantId, session: SessionId, news: Sequence[Learned]
) -> Work[list[Change | None]]:
    """Record what became known, inside a transaction; for each its change, if it was one."""
    known = yield from _known(session, news)
    stale = yield from _stale(session, news)
    changes: list[Change | None] = []
    for one in news:
        lid = one.lid if one.contact.endswith(f"@{USER}") else None
        merged = lid is not None and (lid in stale or lid in known)
        before = known.get(one.contact)
        if merged and lid is not None:
            before = yield from _join(session, one.contact, lid, before, known.pop(lid, None))
            stale.discard(lid)
        row = yield from _write(tenant, session, one, lid, before)
        now = row or before
        if now is not None:
            known[one.contact] = now
        if now is not None and (merged or (row is not None and _shows(row, before))):
            changes.append(Change(contact_view(now), merged))
        else:
            changes.append(None)
    return changes


def _shows(row: Row, before: Row | None) -> bool:
    """Whether readers see a difference."""
    return before is None or contact_view(row) != contact_view(before)


def _known(session: SessionId, news: Sequence[Learned]) -> Work[dict[str, Row]]:
    wanted = {one.contact for one in news} | {one.lid for one in news if one.lid}
    rows = yield Sql(
        "SELECT * FROM contacts WHERE session = $1 AND contact = ANY($2::text[]) "
        "ORDER BY id FOR UPDATE",
        (session, sorted(wanted)),
    )
    return {row["contact"]: row for row in rows}


def _stale(session: SessionId, news: Sequence[Learned]) -> Work[set[str]]:
    """LIDs that name a chat although their phone number is known now."""
    lids = sorted({one.lid for one in news if one.lid})
    if not lids:
        return set()
    rows = yield Sql(
        "SELECT chat FROM chats WHERE session = $1 AND chat = ANY($2::text[])", (session, lids)
    )
    return {row["chat"] for row in rows}


def _join(
    session: SessionId, contact: str, lid: str, phone: Row | None, other: Row | None
) -> Work[Row | None]:
    """One identity out of two: its chat's messages, and what is known by the LID alone."""
    yield from merge(session, lid, contact)
    if other is None:
        return phone
    if phone is not None:
        yield Sql("DELETE FROM contacts WHERE id = $1", (other["id"],))
        return (yield from _complete(phone, other))
    rows = yield Sql(
        "UPDATE contacts SET contact = $2, lid = $3 WHERE id = $1 RETURNING *",
        (other["id"], contact, lid),
    )
    return rows[0]


def _complete(row: Row, other: Row) -> Work[Row]:
    """What is known by the LID alone goes where nothing is known by the phone number."""
    groups: list[tuple[str, ...]] = [(name,) for name in _NAMES]
    groups += [("about", "about_at"), ("picture_id", "picture_url", "picture_at")]
    if other["saved"] and not row["saved"]:
        groups[0] = ("name", "saved")
    kept = {name: row[name] for group in groups for name in group}
    for group in groups:
        if not row[group[0]] or "saved" in group:
            kept |= {name: other[name] for name in group if other[name] is not None}
    kept["folded"] = fold(" ".join(str(kept[name]) for name in _NAMES if kept[name]))
    sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(kept, 2))
    rows = yield Sql(
        f"UPDATE contacts SET {sets} WHERE id = $1 RETURNING *", (row["id"], *kept.values())
    )
    return rows[0]


def _told(one: Learned, before: Row | None) -> dict[str, Any]:
    """What is told about somebody of whom that much was known."""
    told: dict[str, Any] = {name: getattr(one, name) for name in _FACTS}
    if before is None:
        return told
    if one.saved is None:
        return told | ({"name": None} if before["saved"] else {})
    return told | {name: None for name in _NAMES[1:] if before[name]}


def _write(
    tenant: TenantId, session: SessionId, one: Learned, lid: str | None, before: Row | None
) -> Work[Row | None]:
    """The row as it is now; None when nothing was news."""
    if before is None and one.known_only:
        return None
    told = _told(one, before) | {"lid": lid, "saved": one.saved}
    news = {name: _cut(name, value) for name, value in told.items() if value is not None}
    stamps = {_STAMPS[name]: now_ms() for name in news if name in _STAMPS}
    if before is not None and all(before[name] == value for name, value in news.items()):
        if stamps:
            yield _confirm(before, stamps)
        return None
    if before is not None and before["picture_id"] != news.get("picture_id", before["picture_id"]):
        news.setdefault("picture_url", "")  # it led to another picture
    kept = (*told, *_STAMPS.values())
    after = {name: before[name] if before else None for name in kept} | news | stamps
    after["folded"] = fold(" ".join(str(after[name]) for name in _NAMES if after[name]))
    columns = {"tenant": tenant, "session": session, "contact": one.contact, **after}
    columns["changed_at"] = now_ms()
    marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    sets = ", ".join(f"{name} = excluded.{name}" for name in (*after, "changed_at"))
    rows = yield Sql(
        f"INSERT INTO contacts ({', '.join(columns)}) VALUES ({marks}) "
        f"ON CONFLICT (session, contact) DO UPDATE SET {sets} RETURNING *",
        tuple(columns.values()),
    )
    return rows[0]


def _confirm(row: Row, stamps: dict[str, int]) -> Sql:
    """It is still so: that is only newer."""
    sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(stamps, 2))
    return Sql(f"UPDATE contacts SET {sets} WHERE id = $1", (row["id"], *stamps.values()))


def _cut(name: str, value: str | bool) -> str | int:
    if isinstance(value, bool):
        return int(value)
    return short_name(value) if name in _NAMES else value.replace("\0", "")


def short_name(name: str) -> str:
    """A name as it is kept."""
    return name.replace("\0", "")[:_NAME_LENGTH]


async def canonical(tenant: TenantId, session: SessionId, address: str) -> str:
    """The address under which somebody is known: of a LID, the phone number's if there is one."""
    if not address.endswith(f"@{LID}"):
        return address
    rows = await database().fetch(
        "SELECT contact FROM contacts WHERE session = $1 AND lid = $2 AND tenant = $3 LIMIT 1",
        session,
        address,
        tenant,
    )
    return str(rows[0]["contact"]) if rows else address


async def phones(tenant: TenantId, session: SessionId, lids: Sequence[str]) -> dict[str, str]:
    """The addresses under which those of these LIDs are known whose phone number is."""
    rows = await database().fetch(
        "SELECT lid, contact FROM contacts "
        "WHERE session = $1 AND lid = ANY($2::text[]) AND tenant = $3",
        session,
        list(lids),
        tenant,
    )
    return {row["lid"]: row["contact"] for row in rows if row["contact"] != row["lid"]}


async def get(tenant: TenantId, session: SessionId, contact: str) -> ContactView:
    """Somebody by his canonical address; raises ContactNotFound."""
    rows = await database().fetch(
        "SELECT * FROM contacts WHERE session = $1 AND contact = $2 AND tenant = $3",
        session,
        contact,
        tenant,
    )
    if not rows:
        raise ContactNotFound
    return contact_view(rows[0])


async def list_contacts(
    tenant: TenantId,
    session: SessionId,
    *,
    name: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[ContactView]:
    """Whom a session knows, by address; `name` is a part of a name or number, `after` an id."""
    args: list[Any] = [tenant, session, after or ""]
    where = "tenant = $1 AND session = $2 AND contact > $3"
    if name:
        args.append(containing(name))
        where += " AND (COALESCE(folded, '') || ' ' || contact) LIKE $4 ESCAPE '\\'"
    rows = await database().fetch(
        f"SELECT * FROM contacts WHERE {where} ORDER BY contact "
        f"LIMIT {max(1, min(int(limit), MAX_LIMIT))}",
        *args,
    )
    return [contact_view(row) for row in rows]


def containing(part: str) -> str:
    """A LIKE pattern for a folded text that holds `part`; a number may have its `+`."""
    folded = fold(part).removeprefix("+")
    for special in ("\\", "%", "_"):
        folded = folded.replace(special, f"\\{special}")
    return f"%{folded}%"
