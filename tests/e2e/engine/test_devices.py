"""Device stores as the real library uses them: files, PostgreSQL, kill -9 and take-over."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import uuid
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from tests.e2e.engine.processes import Engines
from workers.engine.stores import PostgresStores

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
POSTGRES = os.environ.get("WA_TEST_DATABASE_URL", "postgresql://root@127.0.0.1:5432/test")


@pytest_asyncio.fixture(loop_scope="module")
async def database():
    """A database of its own, dropped afterwards."""
    name = f"engine_{uuid.uuid4().hex[:12]}"
    server = await asyncpg.connect(POSTGRES)
    await server.execute(f'CREATE DATABASE "{name}"')
    yield f"{POSTGRES.rpartition('/')[0]}/{name}"
    await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await server.close()


async def test_files_are_private_and_in_wal_mode(engines, session):
    """The options that ride on the file's name reach SQLite; nobody else can read the keys."""
    await engines.link(session)
    folder = Path(engines.options["stores"])
    files = sorted(folder.glob(f"{session}.db*"))  # noqa: ASYNC240
    assert files[0].name == f"{session}.db"
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    with sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True) as store:
        assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store.execute("SELECT count(*) FROM whatsmeow_device").fetchone() == (1,)
    store.close()


async def test_another_process_takes_over_from_postgresql(sandbox, tmp_path, database, session):
    """A session linked in a process that is killed goes on in another, with the same keys."""
    async with Engines(sandbox, tmp_path / "a", stores=database) as first:
        await first.link(f"{session}other")
        phone, other = await first.link(session), await sandbox.phone()
        await first.do("send", session, to=other["number"], text="before")
        await first.kill()
    async with Engines(sandbox, tmp_path / "b", stores=database) as second:
        await second.do("start", session)
        await second.event("Online", session)
        assert not second.of(session, "QrShown")
        await second.do("send", session, to=other["number"], text="after")
        letters = await sandbox("phone.inbox", phone=other["phone"], wait=10)
        assert [letter["text"] for letter in letters] == ["before", "after"]
        await sandbox("phone.send", phone=other["phone"], to=phone["number"], text="hi")
        await second.event("Inbound", session)
        await second.do("stop", session)
        await second.do("forget", session)
        await second.do("start", session)
        await second.event("QrShown", session)


async def test_idle_database_connections_are_closed_and_come_back(
    sandbox, tmp_path, database, session
):
    """A quiet session holds no connection of the database; the next message opens one."""
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    async with Engines(sandbox, tmp_path, stores=database, idle=1) as engines:
        phone, other = await engines.link(session), await sandbox.phone()
        watcher = await asyncpg.connect(database)
        async with asyncio.timeout(60):
            while await watcher.fetchval(idle) > 2:  # this one, and that which prepares stores
                await asyncio.sleep(0.1)
        await watcher.close()
        await engines.do("send", session, to=other["number"], text="x")
        await sandbox("phone.send", phone=other["phone"], to=phone["number"], text="y")
        await engines.event("Inbound", session)
        assert not engines.of(session, "Offline")


async def test_a_killed_process_leaves_a_usable_file(sandbox, tmp_path, session):
    """kill -9 while messages arrive: the next process logs in with the same file."""
    async with Engines(sandbox, tmp_path) as first:
        phone, other = await first.link(session), await sandbox.phone()
        for number in range(20):
            await sandbox("phone.send", phone=other["phone"], to=phone["number"], text=f"{number}")
        await first.event("Inbound", session)
        await first.kill()
        seen = {event["content"]["body"] for event in first.of(session, "Inbound")}
    async with Engines(sandbox, tmp_path) as second:
        await second.do("start", session)
        await second.event("Online", session)
        await sandbox("phone.send", phone=other["phone"], to=phone["number"], text="last")
        await second.until(
            lambda: "last" in [e["content"]["body"] for e in second.of(session, "Inbound")], 20
        )
        seen |= {event["content"]["body"] for event in second.of(session, "Inbound")}
    # At most what the library held can be missing; see tests/benchmarks for how much that is.
    assert len(seen) > 1


async def test_postgres_schemas_come_and_go(database, session):
    """Each session has a schema of its own; forgetting drops it and may be repeated."""
    stores, connection = PostgresStores(database), await asyncpg.connect(database)
    found = "SELECT count(*) FROM pg_namespace WHERE nspname = $1"
    try:
        await stores.prepare(session)
        await stores.prepare(session)
        assert await connection.fetchval(found, f"device_{session}") == 1
        await stores.forget(session)
        await stores.forget(session)
        assert await connection.fetchval(found, f"device_{session}") == 0
    finally:
        await stores.close()
        await connection.close()
