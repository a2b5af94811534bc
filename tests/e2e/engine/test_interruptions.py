"""What ends a session for good, and what it recovers from."""

from __future__ import annotations

import asyncio
import time

import pytest
import pytest_asyncio

from tests.e2e.engine.processes import Engines

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watchful(sandbox, tmp_path_factory):
    """Engines that give a silent connection up after the first unanswered ping."""
    timing = {"deaf_pings": 1, "backoff_most": 0.5, "offline_limit": 5.0}
    async with Engines(sandbox, tmp_path_factory.mktemp("watchful"), timing=timing) as started:
        yield started


@pytest.mark.parametrize(
    ("how", "more", "reason"),
    [
        ("logged_out", {}, "logged_out_on_phone"),
        ("replaced", {}, "stream_replaced"),
        ("outdated", {}, "client_outdated"),
        ("banned", {"ms": 600_000}, "temporary_ban"),
        ("banned", {"code": 403}, "logged_out_on_phone"),
        ("banned", {"code": 406}, "permanent_ban"),
    ],
)
async def test_each_end_has_its_reason(engines, sandbox, session, how, more, reason):
    """The session ends, says why, and its thread is gone."""
    phone = await engines.link(session)
    await sandbox("device.break", phone=phone["phone"], how=how, **more)
    ended = await engines.event("Ended", session)
    assert ended["reason"] == reason
    if reason == "temporary_ban":
        assert ended["until"] == pytest.approx(time.time() + 600, abs=60)
    await engines.do("stop", session)
    assert engines.of(session)[-1]["kind"] == "Ended"
    await _gone(engines, session)


async def _gone(engines, session):
    """Wait until the session's thread ended (it is not among the leaked ones)."""
    async with asyncio.timeout(60):
        while session in (await engines.do("stats"))["sessions_with_thread"]:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("how", ["drop", "unavailable"])
@pytest.mark.proves("Auto-reconnect")
async def test_a_broken_connection_comes_back(engines, sandbox, session, how):
    """Offline is told, then online again, and messages flow."""
    phone, other = await engines.link(session), await sandbox.phone()
    await sandbox("device.break", phone=phone["phone"], how=how, ms=500)
    await engines.event("Offline", session)
    await engines.event("Online", session, nth=2, limit=40)
    await sandbox("phone.send", phone=other["phone"], to=phone["number"], text="again")
    assert (await engines.event("Inbound", session))["content"]["body"] == "again"


async def test_a_deaf_connection_is_replaced(watchful, sandbox, session):
    """Connected, but nothing is answered: the engine notices and dials anew by itself."""
    phone, other = await watchful.link(session), await sandbox.phone()
    await sandbox("device.break", phone=phone["phone"], how="silent")
    await watchful.event("Offline", session, limit=60)
    await sandbox("device.break", phone=phone["phone"], how="heal")
    await watchful.event("Online", session, nth=2, limit=30)
    await sandbox("phone.send", phone=other["phone"], to=phone["number"], text="heard")
    assert (await watchful.event("Inbound", session))["content"]["body"] == "heard"


async def test_logout_removes_the_link_and_the_store(engines, sandbox, session):
    """The phone shows no device any more, and a new start pairs anew."""
    phone = await engines.link(session)
    await engines.do("logout", session)
    assert (await sandbox("phone.get", phone=phone["phone"]))["devices"] == []
    await engines.do("start", session)
    await engines.event("QrShown", session, nth=2)
    await engines.do("stop", session)
