"""The store's hot paths beside a bare driver doing the same inserts, in the same run.

    python tests/benchmarks/store.py [sqlite|postgres …]

Prints CPU microseconds and wall microseconds per row, and the CPU ratio to the bare driver's loop
(one insert and one commit per row; `bare many` one executemany per 100). Figures of one run can be
compared with each other only.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import aiosqlite
import asyncpg

from wa_api.domain.content import Text
from wa_api.domain.ids import Epoch, MessageId, WorkerId, new_id
from wa_api.domain.leases import Lease
from wa_api.domain.messages import Status
from wa_api.domain.sessions import Desired
from wa_api.store import batches, events, fleet, messages, owner, queue, sessions, tenants
from wa_api.store.batch import Batcher
from wa_api.store.open import migrate, open_store
from wa_api.store.rows import Advance, NewInbound, NewMessage, Owned, SessionRow

POSTGRES = os.environ.get("WA_TEST_DATABASE_URL", "postgresql://root@127.0.0.1:5432/test")
ROWS, BATCH = 2000, 100
BODY = "x" * 500
CHAT = "5511999990001@s.whatsapp.net"
_INSERT = (
    "INSERT INTO messages (id, tenant, session, direction, chat, type, content, status, time, "
    "accepted_at, source) VALUES ({})"
)

Figures = dict[str, tuple[float, float]]


async def measure(figures: Figures, name: str, rows: int, work: Awaitable[object]) -> None:
    """Add CPU and wall microseconds per row."""
    cpu, wall = time.process_time(), time.perf_counter()
    await work
    figures[name] = (
        (time.process_time() - cpu) / rows * 1e6,
        (time.perf_counter() - wall) / rows * 1e6,
    )


def bare_row() -> tuple[object, ...]:
    """A row as the bare loops insert it."""
    return (new_id("msg"), "t", "s", "out", CHAT, "text", BODY, "accepted", 1, 1, "api")


async def bare_sqlite(figures: Figures, path: str) -> None:
    """aiosqlite alone."""
    statement = _INSERT.format(", ".join("?" * 11))
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await connection.execute("PRAGMA synchronous=NORMAL")

        async def one_by_one() -> None:
            for _ in range(ROWS):
                await connection.execute("BEGIN IMMEDIATE")
                await connection.execute(statement, bare_row())
                await connection.execute("COMMIT")

        async def many() -> None:
            for _ in range(ROWS // BATCH):
                await connection.execute("BEGIN IMMEDIATE")
                await connection.executemany(statement, [bare_row() for _ in range(BATCH)])
                await connection.execute("COMMIT")

        await measure(figures, "bare one by one", ROWS, one_by_one())
        await measure(figures, "bare many", ROWS, many())


async def bare_postgres(figures: Figures, schema: str) -> None:
    """asyncpg alone."""
    statement = _INSERT.format(", ".join(f"${n}" for n in range(1, 12)))
    connection = await asyncpg.connect(POSTGRES, server_settings={"search_path": schema})

    async def one_by_one() -> None:
        for _ in range(ROWS):
            await connection.execute(statement, *bare_row())

    async def many() -> None:
        for _ in range(ROWS // BATCH):
            await connection.executemany(statement, [bare_row() for _ in range(BATCH)])

    await measure(figures, "bare one by one", ROWS, one_by_one())
    await measure(figures, "bare many", ROWS, many())
    await connection.close()


async def in_batches(
    ids: list[str], call: Callable[[list[str]], Awaitable[object]], size: int = BATCH
) -> None:
    """Call with `size` ids at a time."""
    for start in range(0, len(ids), size):
        await call(ids[start : start + size])


async def ours(figures: Figures) -> None:
    """The store's functions, over 30 sessions."""
    tenant = (await tenants.create("bench")).id
    owned: list[tuple[SessionRow, Lease]] = []
    for _ in range(30):
        row = await sessions.create(tenant, network="sandbox", desired=Desired.RUNNING)
        lease = Lease(row.id, WorkerId("wrk_1"), Epoch(1))
        await fleet.claim(row.id, lease)
        owned.append((row, lease))
    first, lease = owned[0]
    new = NewMessage(session=first.id, chat=CHAT, content=Text(body=BODY))

    async def accept_alone(keyed: bool) -> None:
        for n in range(ROWS):
            await messages.accept(tenant, new, f"k{n}" if keyed else None, "hash")

    async def accept_crowd() -> None:
        for _ in range(ROWS // 50):
            await asyncio.gather(*(messages.accept(tenant, new) for _ in range(50)))

    await measure(figures, "accept one by one", ROWS, accept_alone(False))
    await measure(figures, "accept with key", ROWS, accept_alone(True))
    await measure(figures, "accept 50 at once", ROWS, accept_crowd())
    await measure(figures, "accept a batch of 100", ROWS, accept_all(tenant, new))
    await outbound(figures, tenant, first, lease)
    await inbound(figures, tenant, owned)
    await reading(figures, tenant, first)


async def accept_all(tenant: str, new: NewMessage) -> None:
    """Batches of 100."""
    for _ in range(ROWS // BATCH):
        await batches.accept_batch(tenant, new.session, [batches.Item(new)] * BATCH)


async def outbound(figures: Figures, tenant: str, first: SessionRow, lease: Lease) -> None:
    """Sending, sent, receipts."""
    ids = [str(one.id) for one in await queue.list_waiting(tenant, first.id, 2 * ROWS)]
    alone, ids = ids[:ROWS], ids[ROWS:]

    def begin(some: list[str]) -> Awaitable[object]:
        return messages.begin_sending(tenant, lease, [MessageId(one) for one in some])

    def advance(status: Status) -> Callable[[list[str]], Awaitable[object]]:
        return lambda some: messages.advance(
            tenant,
            lease,
            [
                Advance(id=MessageId(one), status=status, time=time.time(), wa_id=f"W{one[-20:]}")
                for one in some
            ],
        )

    def receipt(some: list[str]) -> Awaitable[object]:
        news = [
            Advance(wa_id=f"W{one[-20:]}", status=Status.DELIVERED, time=time.time())
            for one in some
        ]
        return messages.advance(tenant, lease, news)

    await measure(figures, "begin_sending one by one", ROWS, in_batches(alone, begin, 1))
    await measure(figures, "sent one by one", ROWS, in_batches(alone, advance(Status.SENT), 1))
    await measure(figures, "begin_sending", ROWS, in_batches(ids, begin))
    await measure(figures, "sent", ROWS, in_batches(ids, advance(Status.SENT)))
    await measure(figures, "delivered by wa_id", ROWS, in_batches(ids, receipt))


def arriving(owned: list[tuple[SessionRow, Lease]], n: int) -> Owned[NewInbound]:
    """The n-th inbound message; sessions take turns."""
    row, lease = owned[n % len(owned)]
    item = NewInbound(
        wa_id=new_id("W"),
        chat=CHAT,
        sender=CHAT,
        from_me=False,
        timestamp=time.time(),
        content=Text(body=BODY),
        sender_name="Alice",
    )
    return Owned(row.tenant, lease, item)


async def inbound(figures: Figures, tenant: str, owned: list[tuple[SessionRow, Lease]]) -> None:
    """Messages that arrive, alone, in batches, and through the batcher; and their events."""

    async def batches(size: int) -> None:
        for start in range(0, ROWS, size):
            await owner.record_inbound([arriving(owned, n) for n in range(start, start + size)])

    async def batched() -> None:
        async with Batcher(owner.record_inbound) as batcher:
            for _ in range(ROWS // BATCH):
                await asyncio.gather(*(batcher.add(arriving(owned, n)) for n in range(BATCH)))

    async def archive() -> None:
        for start in range(1, ROWS, BATCH):
            entries = [
                events.Archived(
                    str((start + n) << 20), owned[0][0].id, "message.received", b"x" * 900
                )
                for n in range(BATCH)
            ]
            await events.archive(tenant, entries[-1].cursor, entries)

    await measure(figures, "record_inbound one by one", ROWS, batches(1))
    await measure(figures, "record_inbound 20", ROWS, batches(20))
    await measure(figures, "record_inbound 100", ROWS, batches(BATCH))
    await measure(figures, "record_inbound batcher", ROWS, batched())
    await measure(figures, "archive 100", ROWS, archive())


async def reading(figures: Figures, tenant: str, first: SessionRow) -> None:
    """The last 50 messages of a chat."""

    async def pages() -> None:
        for _ in range(100):
            await messages.list_messages(tenant, first.id, chat=CHAT, limit=50)

    await measure(figures, "list 50 (per page)", 100, pages())


async def run(kind: str) -> None:
    """One database's table."""
    figures: Figures = {}
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/wa.db"
            await migrate(f"sqlite://{path}")
            await bare_sqlite(figures, path)
            async with open_store(f"sqlite://{path}"):
                await ours(figures)
    else:
        schema = f"wa_bench_{uuid4().hex}"
        admin = await asyncpg.connect(POSTGRES)
        await admin.execute(f"CREATE SCHEMA {schema}")
        try:
            url = f"{POSTGRES}{'&' if '?' in POSTGRES else '?'}schema={schema}"
            await migrate(url)
            await bare_postgres(figures, schema)
            async with open_store(url):
                await ours(figures)
        finally:
            await admin.execute(f"DROP SCHEMA {schema} CASCADE")
            await admin.close()
    print(f"\n{kind} (SQLite {sqlite3.sqlite_version}), {ROWS} rows")
    base = figures["bare one by one"][0]
    print(f"{'':28}{'CPU us':>8}{'wall us':>9}{'x bare':>8}")
    for name, (cpu, wall) in figures.items():
        print(f"{name:28}{cpu:8.0f}{wall:9.0f}{cpu / base:8.2f}")


if __name__ == "__main__":
    for database in sys.argv[1:] or ["sqlite", "postgres"]:
        asyncio.run(run(database))
