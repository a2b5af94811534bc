"""A large store: chat list, chat page and search beside their limits, with query plans; inserts.

    python -m tests.benchmarks.messages [sqlite|postgres …] [--messages 1000000] [--chats 10000]

All messages are one session's, which is the hardest case. Words follow Zipf's law, so that there are
common and rare ones; chats too are of very different sizes. The store's own functions are timed, one
call at a time; plans are those of the statements that they ran.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any
from uuid import uuid4

import asyncpg

from tests.benchmarks.harness import percentile, report
from wa_api.domain.content import Text
from wa_api.domain.ids import Epoch, SessionId, TenantId, WorkerId, new_id
from wa_api.domain.leases import Lease
from wa_api.domain.sessions import Desired
from wa_api.store import chats, fleet, messages, owner, search, sessions, tenants
from wa_api.store.db import Database, Sql, database, now_ms
from wa_api.store.open import migrate, open_store
from wa_api.store.rows import NewInbound, Owned

POSTGRES = os.environ.get("WA_TEST_DATABASE_URL", "postgresql://root@127.0.0.1:5432/test")
LIMITS = {"postgres": 30.0, "sqlite": 60.0}  #: milliseconds, p99
CALLS, BATCH, INSERTED = 300, 200, 20_000
COLUMNS = [
    "id",
    "tenant",
    "session",
    "direction",
    "chat",
    "sender",
    "sender_name",
    "wa_id",
    "type",
    "content",
    "status",
    "time",
    "accepted_at",
    "source",
    "text",
]


class Made:
    """Random, but the same in every run."""

    def __init__(self, chats_wanted: int) -> None:
        self.random = random.Random(4)
        self.vocabulary = [f"{a}{b}{c}" for a, b, c in itertools.product(_SYLLABLES, repeat=3)]
        self.random.shuffle(self.vocabulary)
        self.word_weights = _zipf(len(self.vocabulary))
        self.chats = [f"55119{n:08}@s.whatsapp.net" for n in range(chats_wanted)]
        self.chat_weights = _zipf(chats_wanted)

    def chat(self) -> str:
        return self.random.choices(self.chats, cum_weights=self.chat_weights)[0]

    def text(self) -> str:
        size = self.random.randint(2, 16)
        return " ".join(self.random.choices(self.vocabulary, cum_weights=self.word_weights, k=size))

    def rows(self, tenant: str, session: str, count: int) -> Iterator[tuple[Any, ...]]:
        """Rows of a year, every chat at least once."""
        began, step = now_ms() - 365 * 86_400_000, 365 * 86_400_000 // count
        for n in range(count):
            chat = self.chats[n] if n < len(self.chats) else self.chat()
            at, text = began + n * step, self.text()
            content = f'{{"type":"text","body":"{text}"}}'
            yield (
                *(new_id("msg", at), tenant, session, "in", chat, chat, "Somebody", f"W{n}"),
                *("text", content, "received", at, at, "contact", text),
            )


_SYLLABLES = [a + b for a in "bcdfglmnprstv" for b in "aeiou"][:30]


def _zipf(count: int) -> list[float]:
    return list(itertools.accumulate(1 / (n + 10) for n in range(count)))


_CONTACTS = (
    "INSERT INTO contacts (tenant, session, contact, push_name, folded, changed_at) "
    "SELECT tenant, session, chat, 'Somebody', 'somebody', 0 FROM chats"
)


async def fill_postgres(schema: str, rows: Iterator[tuple[Any, ...]]) -> None:
    """By COPY; the index of words is built afterwards, as a restore would."""
    connection = await asyncpg.connect(POSTGRES, server_settings={"search_path": schema})
    await connection.execute("DROP INDEX messages_search")
    while some := list(itertools.islice(rows, 50_000)):
        await connection.copy_records_to_table("messages", records=some, columns=COLUMNS)
    await connection.execute("CREATE INDEX messages_search ON messages USING gin (search)")
    await connection.execute(chats.touching("messages WHERE true"))
    await connection.execute(_CONTACTS)
    for table in ("messages", "chats", "contacts"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.close()


def fill_sqlite(path: str, rows: Iterator[tuple[Any, ...]]) -> None:
    """Through the triggers."""
    marks = ", ".join("?" * len(COLUMNS))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executemany(
            f"INSERT INTO messages ({', '.join(COLUMNS)}) VALUES ({marks})", rows
        )
        connection.execute(chats.touching("messages WHERE true"))
        connection.execute(_CONTACTS)
        connection.commit()


@asynccontextmanager
async def opened(kind: str) -> Any:
    """An empty store: its URL, and what fills it."""
    async with AsyncExitStack() as stack:
        if kind == "sqlite":
            path = stack.enter_context(tempfile.TemporaryDirectory()) + "/wa.db"
            await migrate(f"sqlite://{path}")
            yield f"sqlite://{path}", lambda rows: asyncio.to_thread(fill_sqlite, path, rows)
            return
        schema = f"wa_bench_{uuid4().hex}"
        admin = await asyncpg.connect(POSTGRES)
        stack.push_async_callback(admin.close)
        await admin.execute(f"CREATE SCHEMA {schema}")
        stack.push_async_callback(admin.execute, f"DROP SCHEMA {schema} CASCADE")
        url = f"{POSTGRES}{'&' if '?' in POSTGRES else '?'}schema={schema}"
        await migrate(url)
        yield url, lambda rows: fill_postgres(schema, rows)


class Plans:
    """The last statement that the store ran, and its plan."""

    def __init__(self, store: Database) -> None:
        self._store, self._fetch, self._run = store, store.fetch, store.run
        self.last: tuple[str, tuple[Any, ...]] = ("", ())
        store.fetch = self._note  # type: ignore[method-assign]
        store.run = self._noted  # type: ignore[method-assign]

    async def _note(self, text: str, *args: Any) -> Any:
        if "FROM messages WHERE id = ANY" not in text:  # the last messages of listed chats
            self.last = (text, args)
        return await self._fetch(text, *args)

    async def _noted(self, make: Callable[[], Any]) -> Any:
        return await self._run(lambda: self._watched(make()))

    def _watched(self, work: Any) -> Any:
        step = next(work)
        while True:
            if isinstance(step, Sql):
                self.last = (step.text, step.args)
            rows = yield step
            try:
                step = work.send(rows)
            except StopIteration as done:
                return done.value

    async def show(self, name: str) -> None:
        """Print how the database runs it."""
        text, args = self.last
        postgres = self._store.postgres
        how = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF)" if postgres else "EXPLAIN QUERY PLAN"
        rows = await self._run(lambda: self._explained(f"{how} {text}", args))
        print(f"\n-- {name}")
        for row in rows:
            print("   " + str(row["QUERY PLAN"] if postgres else row["detail"]))

    def _explained(self, text: str, args: tuple[Any, ...]) -> Any:
        if self._store.postgres:
            yield Sql("SET LOCAL plan_cache_mode = force_custom_plan")
        return (yield Sql(text, args))


Call = Callable[[], Awaitable[object]]


def calls(made: Made, tenant: TenantId, session: SessionId, deep: str | None) -> dict[str, Call]:
    """What is timed, by name."""
    pick, common = made.random, made.vocabulary[:20]
    rare = made.vocabulary[5000:]

    def listed(after: str | None = None, **given: Any) -> Awaitable[object]:
        return chats.list_chats(tenant, session, chats.Filter(**given), after=after)

    def page(**place: Any) -> Awaitable[object]:
        return messages.list_messages(tenant, session, chat=made.chat(), **place)

    def found(words: str, **given: Any) -> Awaitable[object]:
        return search.search(tenant, session, words, search.Filter(**given))

    return {
        "chat list, first page": listed,
        "chat list, page 100": lambda: listed(deep),
        "chat list, unread": lambda: listed(unread=True),
        "chat list, part of a number": lambda: listed(name=f"{pick.randint(1000, 9999)}"),
        "chat page, newest": page,
        "chat page, before": lambda: page(before=new_id("msg", now_ms() - pick.randint(1, 10**10))),
        "search, common word": lambda: found(pick.choice(common) + " "),
        "search, rare word": lambda: found(pick.choice(rare)),
        "search, beginning of a word": lambda: found(pick.choice(rare)[:4]),
        "search, two words": lambda: found(f"{pick.choice(rare)} {pick.choice(common)}"),
        "search, in a chat": lambda: found(pick.choice(common), chat=made.chat()),
    }


async def deep_cursor(tenant: TenantId, session: SessionId) -> str | None:
    """Where page 100 begins."""
    cursor = None
    for _ in range(25):
        _, cursor = await chats.list_chats(tenant, session, chats.Filter(), after=cursor, limit=200)
    return cursor


async def timed(call: Call) -> list[float]:
    """Milliseconds of so many calls, after a few that are not counted."""
    took = []
    for n in range(-20, CALLS):
        began = time.perf_counter()
        await call()
        if n >= 0:
            took.append((time.perf_counter() - began) * 1000)
    return took


async def inserts(made: Made, tenant: TenantId, lease: Lease) -> float:
    """Inbound messages a second, in batches, with chats and words kept."""
    items = [
        Owned(
            tenant,
            lease,
            NewInbound(
                wa_id=new_id("N"),
                chat=(chat := made.chat()),
                sender=chat,
                from_me=False,
                timestamp=time.time(),
                content=Text(body=made.text()),
                sender_name="Somebody",
            ),
        )
        for _ in range(INSERTED)
    ]
    began = time.perf_counter()
    for at in range(0, INSERTED, BATCH):
        await owner.record_inbound(items[at : at + BATCH])
    return INSERTED / (time.perf_counter() - began)


async def run(kind: str, count: int, chats_wanted: int) -> None:
    """One database."""
    made = Made(chats_wanted)
    async with opened(kind) as (url, fill):
        async with open_store(url):
            tenant = (await tenants.create("bench")).id
            session = await sessions.create(tenant, network="sandbox", desired=Desired.RUNNING)
            lease = Lease(session.id, WorkerId("wrk_1"), Epoch(1))
            await fleet.claim(session.id, lease)
        began = time.perf_counter()
        await fill(made.rows(tenant, session.id, count))
        print(f"\n{kind}: filled in {time.perf_counter() - began:.0f} s", flush=True)
        async with open_store(url):
            await measure(kind, made, tenant, session.id, lease, f"{count:,} in {chats_wanted:,}")


async def measure(
    kind: str, made: Made, tenant: TenantId, session: SessionId, lease: Lease, size: str
) -> None:
    """Time everything, then show how it was done."""
    plans = Plans(database())
    table, limit = [], LIMITS[kind]
    work = calls(made, tenant, session, await deep_cursor(tenant, session))
    for name, call in work.items():
        took = await timed(call)
        p99 = percentile(took, 0.99)
        verdict = "ok" if p99 <= limit else "OVER"
        table.append((name, percentile(took, 0.5), p99, max(took), limit, verdict))
    rate = await inserts(made, tenant, lease)
    head = ("what", "p50 ms", "p99 ms", "max ms", "limit ms", "")
    report(f"{kind}, {size} chats, {CALLS} calls each", head, table)
    report(f"{kind}, inserts in batches of {BATCH}", ("messages/s",), [(round(rate),)])
    for name, call in work.items():
        await call()
        await plans.show(name)


def main() -> None:
    """Arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("databases", nargs="*", default=["sqlite", "postgres"])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--chats", type=int, default=10_000)
    given = parser.parse_args()
    for kind in given.databases:
        asyncio.run(run(kind, given.messages, given.chats))


if __name__ == "__main__":
    main()
