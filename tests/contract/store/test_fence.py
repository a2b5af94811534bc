"""A takeover under way holds the old owner's writes up, and then they are refused."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import asyncpg
import pytest

from tests.contract.store.test_messages import accepted, arrived
from wa_api.domain.errors import Fenced
from wa_api.domain.leases import Lease
from wa_api.domain.messages import Status
from wa_api.domain.sessions import Reason, SessionState
from wa_api.store import messages, queue, sessions
from wa_api.store.open import sqlite_path
from wa_api.store.rows import Advance, SessionRow

Run = Callable[[str], Awaitable[Any]]
Write = Callable[[SessionRow, Lease], Coroutine[Any, Any, Any]]


@pytest.fixture
async def rival(url: str) -> AsyncIterator[Run]:
    """Another process's connection to the same database."""
    path = sqlite_path(url)
    if path is not None:
        file = sqlite3.connect(path, isolation_level=None)

        async def in_file(text: str) -> None:
            file.execute(text)

        yield in_file
        file.close()
        return
    connection = await asyncpg.connect(url)
    yield connection.execute
    await connection.close()


async def record(session: SessionRow, lease: Lease) -> None:
    """A message arrives."""
    await messages.record_inbound(session.tenant, lease, [arrived("A")])


async def begin(session: SessionRow, lease: Lease) -> None:
    """A message is about to be sent."""
    waiting = await queue.list_waiting(session.tenant, session.id)
    await messages.begin_sending(session.tenant, lease, [waiting[0].id])


async def advance(session: SessionRow, lease: Lease) -> None:
    """A message went out."""
    waiting = await queue.list_waiting(session.tenant, session.id)
    news = Advance(id=waiting[0].id, status=Status.SENT, time=1.0)
    await messages.advance(session.tenant, lease, [news])


async def advance_mixed(session: SessionRow, lease: Lease) -> None:
    """A message went out, and a receipt arrived, in one batch."""
    waiting = await queue.list_waiting(session.tenant, session.id)
    news = Advance(id=waiting[0].id, status=Status.SENT, time=1.0, wa_id="W")
    receipt = Advance(wa_id="W", status=Status.READ, time=2.0)
    await messages.advance(session.tenant, lease, [news, receipt])


async def enter(session: SessionRow, lease: Lease) -> None:
    """The session changes its state."""
    await sessions.set_state(session.tenant, lease, SessionState.STARTING, Reason.RESTORED)


async def take_over(session: SessionRow, lease: Lease) -> None:
    """An owner looks for what is pending."""
    await messages.take_over(session.tenant, lease)


WRITES = [record, begin, advance, advance_mixed, enter, take_over]


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
async def test_a_write_waits_for_a_takeover_and_is_refused(
    write: Write, lease: Lease, session: SessionRow, rival: Run
):
    """No write of the old owner is committed after the claim it did not see."""
    await accepted(session)
    before = await messages.list_messages(session.tenant, session.id)
    await rival("BEGIN")
    await rival(f"UPDATE sessions SET epoch = epoch + 1 WHERE id = '{session.id}'")
    task = asyncio.create_task(write(session, lease))
    assert not (await asyncio.wait({task}, timeout=0.15))[0]
    await rival("COMMIT")
    with pytest.raises(Fenced):
        await asyncio.wait_for(task, 5)
    assert await messages.list_messages(session.tenant, session.id) == before
    assert (await sessions.get(session.tenant, session.id)).state is SessionState.STOPPED


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
async def test_a_write_goes_on_when_the_takeover_is_given_up(
    write: Write, lease: Lease, session: SessionRow, rival: Run
):
    """Waiting was enough: the lease is still the newest."""
    await accepted(session)
    await rival("BEGIN")
    await rival(f"UPDATE sessions SET epoch = epoch + 1 WHERE id = '{session.id}'")
    task = asyncio.create_task(write(session, lease))
    await asyncio.wait({task}, timeout=0.05)
    await rival("ROLLBACK")
    await asyncio.wait_for(task, 5)
