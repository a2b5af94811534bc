"""Media go when they were not used for long, or when nothing names them; what is used stays."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from wa_api.bus.open import Bus
from wa_api.domain.errors import MediaNotFound
from wa_api.domain.ids import TenantId, WorkerId, new_id
from wa_api.shelf import MediaOptions, Origin, Shelf, open_shelf
from wa_api.store import media as rows
from wa_api.store import sessions, tenants
from wa_api.store.db import database
from wa_api.store.media import MediaRow
from workers.filekeeping import YOUNG, FileKeeper
from workers.housekeeping import Housekeeper

DAY = 86_400


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty shelf."""
    return open_shelf(MediaOptions(folder=tmp_path / "media"))


def left(folder: Path) -> list[str]:
    """The hashes of all files."""
    return sorted(path.name for path in (folder / "media").rglob("*") if path.is_file())


def age(folder: Path, sha256: str, seconds: float) -> None:
    """Make a file so old."""
    for path in (folder / "media").rglob(sha256):
        os.utime(path, (0, time.time() - seconds))


async def keep(shelf: Shelf, tenant: TenantId, text: bytes, session: str = "") -> MediaRow:
    """Keep a text as media."""
    async with shelf.draft() as draft:
        await draft.write(text)
        return await shelf.take(tenant, draft, Origin(session=session))


async def unused(row: MediaRow, days: float) -> None:
    """As if it had last been used so many days ago."""
    at = int((time.time() - days * DAY) * 1000)
    await database().fetch("UPDATE media SET used_at = $2 WHERE id = $1", row.id, at)


async def clean(bus: Bus, shelf: Shelf) -> None:
    """One round of housekeeping."""
    keeper = Housekeeper(
        bus.log, bus.leases, WorkerId(new_id("wrk")), media_days=30, files=FileKeeper(shelf)
    )
    await keeper.round(asyncio.Event())


async def test_each_tenant_keeps_its_media_as_long_as_it_wants(
    bus: Bus, tenant: TenantId, shelf: Shelf, tmp_path: Path
) -> None:
    """After their last use: the platform's days, or the tenant's own."""
    longer = (await tenants.create("B", retention_days=60)).id
    old, new = await keep(shelf, tenant, b"old"), await keep(shelf, tenant, b"new")
    theirs = await keep(shelf, longer, b"theirs")
    for row in (old, theirs):
        await unused(row, 40)
    await clean(bus, shelf)
    assert left(tmp_path) == sorted([new.sha256, theirs.sha256])
    with pytest.raises(MediaNotFound):
        await rows.get(tenant, old.id)
    assert (await rows.get(longer, theirs.id)).id == theirs.id


async def test_a_file_stays_while_any_session_has_it(
    bus: Bus, tenant: TenantId, shelf: Shelf, tmp_path: Path
) -> None:
    """The same file of two sessions is one file with two rows."""
    first = await keep(shelf, tenant, b"same", "ses_1")
    second = await keep(shelf, tenant, b"same", "ses_2")
    assert first.id != second.id
    await unused(first, 40)
    await clean(bus, shelf)
    assert left(tmp_path) == [second.sha256]


async def test_reading_counts_as_use(tenant: TenantId, shelf: Shelf) -> None:
    """What is looked at begins its days anew."""
    row = await keep(shelf, tenant, b"x")
    await unused(row, 40)
    await rows.get(tenant, row.id)
    assert await rows.expire(tenant, time.time() - 30 * DAY) == set()


async def test_files_that_nothing_names_are_removed(
    bus: Bus, tenant: TenantId, shelf: Shelf, tmp_path: Path
) -> None:
    """Those of killed processes, after an hour: one that is just coming in has no row yet."""
    lost, fresh = await keep(shelf, tenant, b"lost"), await keep(shelf, tenant, b"fresh")
    named = await keep(shelf, tenant, b"named")
    for row in (lost, fresh):
        await rows.delete(tenant, row.id)
    for row in (lost, named):
        age(tmp_path, row.sha256, YOUNG + 60)
    draft = tmp_path / "media" / "drafts" / "killed"
    draft.write_bytes(b"x")
    age(tmp_path, "killed", YOUNG + 60)
    await clean(bus, shelf)
    assert left(tmp_path) == sorted([fresh.sha256, named.sha256])


async def test_what_a_deleted_session_had_goes(
    bus: Bus, tenant: TenantId, shelf: Shelf, tmp_path: Path
) -> None:
    """Its rows with its messages, its files with the next sweep."""
    session = await sessions.create(tenant, network="sandbox")
    row = await keep(shelf, tenant, b"theirs", session.id)
    age(tmp_path, row.sha256, YOUNG + 60)
    await sessions.delete(tenant, session.id)
    await database().fetch("UPDATE sessions SET forgotten_at = 1 WHERE id = $1", session.id)
    await clean(bus, shelf)
    assert left(tmp_path) == []
