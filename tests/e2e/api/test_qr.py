"""The QR code of a session that is being paired; the test plays its owner."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.e2e.api.conftest import Tenant
from tests.e2e.api.owner import Owner, own
from wa_api.bus.open import Bus
from wa_api.domain.events import SessionQrIssued, event, rfc3339
from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.sessions import Reason, SessionState
from wa_api.store import sessions

pytestmark = pytest.mark.e2e


@pytest.fixture
async def pairing(bus: Bus, client: httpx.AsyncClient, tenant: Tenant) -> AsyncIterator[Owner]:
    """A session that waits for a scan, and shows no code yet."""
    made = (await client.post("/v1/sessions", json={"network": "sandbox"})).json()
    one = await own(bus, TenantId(tenant.id), SessionId(made["id"]), linked=False)
    yield one
    await bus.inbox.detach(one.session)
    await bus.leases.release(one.lease)


async def _show(owner: Owner, code: str, seconds: float = 20.0) -> None:
    until = rfc3339(datetime.now(UTC) + timedelta(seconds=seconds))
    data = SessionQrIssued(qr=code, number=1, expires_at=until)
    await owner.bus.log.append([event(owner.tenant, owner.session, data)], owner.lease)


@pytest.mark.proves("QR (image, base64, raw)", "rest")
async def test_the_newest_code_is_given_in_each_form(
    client: httpx.AsyncClient, pairing: Owner
) -> None:
    """JSON, PNG, SVG, text; never one that is over, nor a stored copy."""
    path = f"/v1/sessions/{pairing.session}/qr"
    assert (await client.get(path)).json()["code"] == "no_qr"
    await _show(pairing, "2@old")
    await _show(pairing, "2@new")
    assert (await client.get(path)).json()["qr"] == "2@new"
    for accept, kind in (
        ("image/png", "image/png"),
        ("image/svg+xml", "image/svg+xml"),
        ("text/plain", "text/plain; charset=utf-8"),
    ):
        answer = await client.get(path, headers={"Accept": accept})
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"] == "no-store"
    assert (await client.get(f"{path}?format=svg")).headers["content-type"] == "image/svg+xml"
    await _show(pairing, "2@over", -1)
    assert (await client.get(path)).json()["code"] == "no_qr"


async def test_a_caller_may_wait_for_the_first_code(
    client: httpx.AsyncClient, pairing: Owner
) -> None:
    """The answer comes with the code, and in time without one."""
    path = f"/v1/sessions/{pairing.session}/qr"
    waiting = asyncio.create_task(client.get(path, params={"wait": 10}))
    await asyncio.sleep(0.3)  # so that it does wait
    started = time.monotonic()
    await _show(pairing, "2@first")
    assert (await waiting).json()["qr"] == "2@first"
    assert time.monotonic() - started < 5
    await _show(pairing, "2@over", -1)
    assert (await client.get(path, params={"wait": 0.3})).json()["code"] == "no_qr"


async def test_a_linked_session_shows_none(client: httpx.AsyncClient, pairing: Owner) -> None:
    """Also to somebody who already waits."""
    path = f"/v1/sessions/{pairing.session}"
    waiting = asyncio.create_task(client.get(f"{path}/qr", params={"wait": 10}))
    await asyncio.sleep(0.3)
    await sessions.set_state(
        pairing.tenant,
        pairing.lease,
        SessionState.CONNECTED,
        Reason.LINKED,
        jid="5511888880000@s.whatsapp.net",
    )
    assert (await waiting).json()["code"] == "session_already_linked"
    code = await client.post(f"{path}/pairing-code", json={"phone": "5511999990000"})
    assert code.json()["code"] == "session_already_linked"


async def test_a_pairing_code_comes_from_the_owner(
    client: httpx.AsyncClient, pairing: Owner
) -> None:
    """The owner is asked with the number's digits."""
    path = f"/v1/sessions/{pairing.session}/pairing-code"
    answer = await client.post(path, json={"phone": "+55 11 99999-0000"})
    assert answer.json()["code"] == "ABCD1234", answer.text
    assert pairing.asked[0].data == {"phone": "5511999990000"}
