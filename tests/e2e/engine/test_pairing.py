"""Pairing: by QR and by code, refused, timed out, many at once, over a bad connection."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from tests.e2e.engine.processes import Engines, Refused

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hasty(sandbox, tmp_path_factory):
    """Engines that wait one second for a scan, and dial again at once."""
    folder = tmp_path_factory.mktemp("hasty")
    timing = {"qr_first": 1.0, "qr_next": 1.0, "qr_grace": 0.0, "backoff_most": 0.2}
    async with Engines(sandbox, folder, timing=timing, wear={"leaks": 2}) as started:
        yield started


async def test_a_code_that_nobody_scans_ends_the_pairing(hasty, session):
    """The end is told, the thread it costs is counted, and the session can be started again;
    with too many of them the process is worn out."""
    for nth in (1, 2):
        await hasty.do("start", session)
        ended = await hasty.event("PairingEnded", session, nth=nth)
        assert ended["reason"] == "qr_timed_out"
        stats = await hasty.do("stats")
        assert (stats["leaks"], stats["worn_out"]) == (nth, nth == 2)


async def test_a_connection_that_breaks_while_pairing_is_no_time_out(sandbox, tmp_path, session):
    """Whoever restarts the pairing learns that nobody had the time to scan."""
    open_sockets = []
    relay = await asyncio.start_server(_relay_to(sandbox, open_sockets), "127.0.0.1", 0)
    proxy = f"http://127.0.0.1:{relay.sockets[0].getsockname()[1]}"
    async with Engines(sandbox, tmp_path, proxy_url=proxy) as engines:
        await engines.do("start", session)
        await engines.event("QrShown", session)
        for writer in open_sockets:
            writer.transport.abort()
        ended = await engines.event("PairingEnded", session)
        assert ended["reason"] == "connection_lost"
    relay.close()


async def test_a_refused_pairing_is_told(engines, sandbox, session):
    """The library never reports it through its events; the engine does."""
    phone = await sandbox.phone()
    await sandbox("pairing.refuse", phone=phone["phone"])
    await engines.do("start", session)
    shown = await engines.event("QrShown", session)
    with pytest.raises(Refused):
        await sandbox("phone.scan", phone=phone["phone"], qr=shown["code"])
    assert (await engines.event("PairingEnded", session))["reason"] == "pairing_refused"
    await engines.do("start", session)
    shown = await engines.event("QrShown", session, nth=2)
    await sandbox("phone.scan", phone=phone["phone"], qr=shown["code"])
    await engines.event("Online", session)


async def test_a_code_links_too(engines, sandbox, session):
    """Eight characters, typed on the phone."""
    phone = await sandbox.phone()
    await engines.do("start", session)
    await engines.event("QrShown", session)
    code = await engines.do("code", session, phone=phone["number"])
    assert len(code.replace("-", "")) == 8
    await sandbox("phone.link_code", phone=phone["phone"], code=code)
    assert (await engines.event("Online", session))["jid"]["user"] == phone["number"]


async def test_forty_pair_at_once(engines, sandbox, session):
    """The library's maps are not made for it; one Go processor makes it safe."""
    names = [f"{session}x{number}" for number in range(40)]
    await asyncio.gather(*(engines.link(name) for name in names))
    numbers = {engines.of(name, "Online")[0]["jid"]["user"] for name in names}
    assert len(numbers) == 40
    stats = await engines.do("stats")
    assert set(stats["sessions_with_thread"]) >= set(names)
    await asyncio.gather(*(engines.do("stop", name) for name in names))


async def test_a_first_dial_that_fails_is_repeated(sandbox, tmp_path, session):
    """Nothing listens at first: the engine says so once and goes on until something does."""
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    taken.close()
    await taken.wait_closed()
    timing = {"backoff_first": 0.1, "backoff_most": 0.3}
    proxy = f"http://127.0.0.1:{port}"
    async with Engines(sandbox, tmp_path, proxy_url=proxy, timing=timing) as engines:
        await engines.do("start", session)
        await engines.event("Offline", session)
        relay = await asyncio.start_server(_relay_to(sandbox), "127.0.0.1", port)
        await engines.event("QrShown", session)
        assert len(engines.of(session, "Offline")) == 1
        await engines.do("stop", session)
        relay.close()


def _relay_to(sandbox, open_sockets=None):
    port = int(sandbox.info["proxy_url"].rpartition(":")[2])

    async def copy(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
        finally:
            writer.close()

    async def relay(reader, writer):
        if open_sockets is not None:
            open_sockets.append(writer)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)

    return relay
