"""Opening and migrating: safe at once, said clearly when it cannot be, and closed for good."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.contract.store.conftest import KINDS, POSTGRES
from wa_api.domain.errors import Unavailable
from wa_api.store.db import Database, Duplicate, Sql, Work, database
from wa_api.store.open import migrate, open_store
from wa_api.store.schema import StoreError, known_migrations

MIGRATE = """
import asyncio, sys
from wa_api.store.open import migrate
print(len(asyncio.run(migrate(sys.argv[1]))))
"""
ACCEPT = """
import asyncio, sys
from wa_api.domain.content import Text
from wa_api.store import messages, sessions
from wa_api.store.open import open_store
from wa_api.store.rows import NewMessage

async def main(url, tenant, session):
    new = NewMessage(session=session, chat="1@lid", content=Text(body="x"))
    async with open_store(url):
        for n in range(40):
            answer = await messages.accept(tenant, new, f"key {n}", "hash")
            print(answer.view.id, answer.fresh)

asyncio.run(main(*sys.argv[1:]))
"""


async def run(script: str, *args: str) -> list[str]:
    """The lines that another process prints; it must exit by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", script, *args, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    return out.decode().splitlines()


async def test_migrating_twice_does_nothing_more(empty: str):
    """From nothing to the newest schema, and then no change."""
    assert await migrate(empty) == known_migrations()
    assert await migrate(empty) == []
    async with open_store(empty) as store:
        names = {row["name"] for row in await store.fetch("SELECT name FROM migrations")}
    assert names == set(known_migrations())


async def test_processes_may_migrate_at_once(empty: str):
    """One does the work, the others find it done."""
    outcomes = await asyncio.gather(*(run(MIGRATE, empty) for _ in range(3)))
    counts = sorted(int(lines[-1]) for lines in outcomes)
    assert counts == [0, 0, len(known_migrations())]


async def test_processes_may_write_at_once(url: str):
    """Two processes with the same idempotency keys make each message once."""
    from wa_api.store import sessions, tenants

    async with open_store(url):
        tenant = (await tenants.create("A")).id
        session = (await sessions.create(tenant, network="sandbox")).id
    outcomes = await asyncio.gather(*(run(ACCEPT, url, tenant, session) for _ in range(3)))
    ids = [[line.split()[0] for line in lines] for lines in outcomes]
    assert ids[0] == ids[1] == ids[2]
    assert sum(line.endswith("True") for lines in outcomes for line in lines) == 40


async def test_an_unmigrated_database_is_refused(empty: str):
    """The error says what to run."""
    with pytest.raises(StoreError, match="wa-api migrate"):
        async with open_store(empty):
            pass


async def test_a_newer_database_is_refused(url: str):
    """A program does not write into a schema that it does not know."""
    async with open_store(url) as store:
        await store.fetch("INSERT INTO migrations (name, applied_at) VALUES ('9999_future', 0)")
    with pytest.raises(StoreError, match="newer"):
        async with open_store(url):
            pass
    with pytest.raises(StoreError, match="newer"):
        await migrate(url)


async def test_a_failed_work_leaves_nothing(store: Database):
    """What was written before the error is rolled back."""

    def work() -> Work[None]:
        yield Sql("INSERT INTO revoked_tokens (jti, until) VALUES ('a', 1)")
        raise LookupError

    with pytest.raises(LookupError):
        await store.run(work)
    assert not await store.fetch("SELECT jti FROM revoked_tokens")


async def test_a_duplicate_is_told(store: Database):
    """The two drivers' errors are one here."""
    for attempt in range(2):
        insert = store.fetch("INSERT INTO revoked_tokens (jti, until) VALUES ('a', 1)")
        if attempt == 0:
            await insert
        else:
            with pytest.raises(Duplicate):
                await insert


async def test_a_cancelled_caller_leaves_no_open_transaction(store: Database):
    """Others can write right after a caller went away in the middle."""

    def work(jti: str) -> Work[None]:
        for n in range(50):
            yield Sql("INSERT INTO revoked_tokens (jti, until) VALUES ($1, 1)", (f"{jti}{n}",))

    for n in range(20):
        task = asyncio.create_task(store.run(lambda n=n: work(f"{n}-")))
        for _ in range(n):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.run(lambda: work("last"))
    rows = await store.fetch("SELECT COUNT(*) AS n FROM revoked_tokens")
    assert rows[0]["n"] % 50 == 0


async def test_only_one_store_is_open_in_a_process(store: Database, url: str):
    """The query functions know exactly one."""
    assert database() is store


async def test_without_a_store_the_functions_say_so():
    """A programming error has a sentence."""
    with pytest.raises(RuntimeError, match="open_store"):
        database()


async def test_a_locked_sqlite_is_unavailable_after_the_limit(tmp_path: Path):
    """Somebody else's endless transaction makes callers fail, not hang."""
    url = f"sqlite://{tmp_path}/wa.db"
    await migrate(url)
    async with open_store(url, limit=0.4) as store:
        other = sqlite3.connect(f"{tmp_path}/wa.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await store.fetch("DELETE FROM revoked_tokens")
        other.execute("ROLLBACK")
        other.close()
        await asyncio.sleep(0.3)  # the abandoned attempt's own busy time-out
        await store.fetch("DELETE FROM revoked_tokens")


async def test_the_sqlite_file_is_private(tmp_path: Path):
    """Nobody else on the machine reads messages."""
    url = f"sqlite://{tmp_path}/wa.db"
    await migrate(url)
    assert stat.S_IMODE((tmp_path / "wa.db").stat().st_mode) == 0o600


async def test_an_unreachable_database_is_unavailable():
    """A closed port is told, with the limit in force."""
    with pytest.raises(Unavailable):
        async with open_store("postgresql://nobody@127.0.0.1:1/none", limit=2):
            pass


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://:memory:", "nonsense"])
async def test_urls_of_other_databases_are_refused(url: str):
    """The error names what is supported."""
    with pytest.raises(StoreError):
        async with open_store(url):
            pass


@pytest.mark.parametrize("url", [kind for kind in KINDS if kind != "sqlite"], indirect=True)
async def test_a_lost_connection_is_replaced(store: Database):
    """A restarted PostgreSQL costs callers at most one `Unavailable` each."""
    pid = (await store.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"]
    admin = await asyncpg.connect(POSTGRES)
    await admin.execute("SELECT pg_terminate_backend($1)", pid)
    await admin.close()
    for attempt in range(2):
        try:
            rows = await store.fetch("SELECT 1 AS one")
            break
        except Unavailable:
            assert attempt == 0
    assert rows[0]["one"] == 1
