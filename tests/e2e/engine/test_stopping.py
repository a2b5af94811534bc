"""Stopping in every state: bounded, nothing lost, nothing that keeps the process."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.e2e.engine.processes import Engines

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def test_stop_while_online_ends_the_thread_and_a_start_logs_in(engines, sandbox, session):
    """No leak, and the next start needs no QR code."""
    phone = await engines.link(session)
    before = (await engines.do("stats"))["leaks"]
    await engines.do("stop", session)
    await engines.do("stop", session)
    stats = await engines.do("stats")
    assert stats["leaks"] == before
    assert session not in stats["sessions_with_thread"]
    assert not (await sandbox("phone.get", phone=phone["phone"]))["devices"][0]["connected"]
    await engines.do("start", session)
    await engines.event("Online", session, nth=2)
    assert len(engines.of(session, "QrShown")) == 1


async def test_stop_while_a_code_is_shown_is_quick_and_counted(engines, session):
    """The library loses a thread then; it is counted, and a new start shows a code at once."""
    await engines.do("start", session)
    await engines.event("QrShown", session)
    before = (await engines.do("stats"))["leaks"]
    assert (await engines.ask("stop", session))["took"] < 2
    assert (await engines.do("stats"))["leaks"] == before + 1
    await engines.do("start", session)
    await engines.event("QrShown", session, nth=2)
    await engines.do("stop", session)


async def test_stop_at_once_after_start(engines, session):
    """A stop in the middle of dialing, at various moments, neither hangs nor aborts."""
    for number in range(10):
        name = f"{session}n{number}"
        await engines.do("start", name)
        await asyncio.sleep(0.01 * number)
        assert (await engines.ask("stop", name))["took"] < 10
    assert await engines.do("stats")


async def test_stop_while_the_dial_hangs(sandbox, tmp_path, session):
    """A server that accepts and says nothing: stop returns in time, and so does the process."""
    held = []
    silent = await asyncio.start_server(lambda *pair: held.append(pair), "127.0.0.1", 0)
    proxy = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with Engines(sandbox, tmp_path, proxy_url=proxy, stop={"settle": 0.5}) as engines:
        await engines.do("start", session)
        async with asyncio.timeout(60):
            while not held:
                await asyncio.sleep(0.01)
        assert (await engines.ask("stop", session))["took"] < 3
        assert (await engines.do("stats"))["leaks"] == 1
        assert await engines.leave() == 0
    for _, writer in held:
        writer.close()
    silent.close()


async def test_a_handler_may_stop_its_own_engine(engines, sandbox, session):
    """The stop does not wait for the handler that waits for the stop."""
    me, other = await engines.link(session), await sandbox.phone()
    await engines.do("stop_on", session, kind="Inbound")
    begun = time.monotonic()
    await sandbox("phone.send", phone=other["phone"], to=me["number"], text="stop!")
    await engines.event("stopped_inside", session)
    assert time.monotonic() - begun < 5


async def test_an_orderly_stop_loses_nothing(engines, sandbox, session):
    """What was acknowledged to the network when the stop came has been handled, or comes again."""
    me, other = await engines.link(session), await sandbox.phone()
    await engines.do("slow", session, seconds=0.005)
    sending = asyncio.gather(
        *(
            sandbox("phone.send", phone=other["phone"], to=me["number"], text=f"m{i}", limit=60)
            for i in range(200)
        )
    )
    await engines.event("Inbound", session, nth=20)
    await engines.do("stop", session)
    await sending
    await engines.do("slow", session, seconds=0)
    await engines.do("start", session)
    expected = {f"m{i}" for i in range(200)}
    await engines.until(
        lambda: {e["content"]["body"] for e in engines.of(session, "Inbound")} >= expected, 30
    )


async def test_a_process_full_of_engines_leaves_at_once(sandbox, tmp_path, session):
    """Online, pairing and parked threads do not keep the process from its end."""
    timing = {"qr_first": 0.5, "qr_grace": 0.0}
    async with Engines(sandbox, tmp_path, timing=timing) as engines:
        await engines.do("start", f"{session}c")
        await engines.event("PairingEnded", f"{session}c")
    async with Engines(sandbox, tmp_path) as engines:
        await engines.link(f"{session}a")
        await engines.do("start", f"{session}b")
        await engines.event("QrShown", f"{session}b")
        begun = time.monotonic()
        assert await engines.leave() == 0
        assert time.monotonic() - begun < 5
