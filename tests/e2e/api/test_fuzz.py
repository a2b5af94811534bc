"""Requests made up from the API document itself: none breaks anything, all answers are documented."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from tests.e2e.api.conftest import Gateway, Tenant, new_tenant
from tests.e2e.api.owner import own
from wa_api.bus.open import open_bus
from wa_api.domain.ids import SessionId, TenantId
from wa_api.http.openapi import document
from wa_api.http.resources import resources_for
from wa_api.http.types import HttpOptions
from wa_api.store.open import open_store

pytestmark = pytest.mark.e2e

#: Made from the code, as the gateway serves it.
schema = schemathesis.openapi.from_dict(document(resources_for(HttpOptions(sandbox=True))))

#: What would end the run's own credentials, or does nothing but wait.
LEFT_OUT = r"^(auth\.revoke|feed\.socket|feed\.stream)$"


@dataclass
class Prey:
    """A tenant with a linked session whose owner answers."""

    tenant: Tenant
    session: str


@pytest.fixture(scope="module")
def prey(gateway: Gateway, admin_token: str) -> Iterator[Prey]:
    """The owner lives in a thread of its own, since Hypothesis calls tests without a loop."""
    tenant = new_tenant(gateway, admin_token)
    with httpx.Client(base_url=gateway.url, headers=tenant.headers) as client:
        session = client.post("/v1/sessions", json={"network": "sandbox"}).json()["id"]
    owned, done = threading.Event(), threading.Event()

    async def live() -> None:
        async with (
            open_store(gateway.database_url),
            open_bus(gateway.redis_url, gateway.prefix, 600.0) as bus,
        ):
            one = await own(bus, TenantId(tenant.id), SessionId(session))
            owned.set()
            while not done.is_set():
                await asyncio.sleep(0.05)
            await bus.inbox.detach(one.session)
            await bus.leases.release(one.lease)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert owned.wait(20)
    yield Prey(tenant, session)
    done.set()
    thread.join(10)


@schema.exclude(operation_id_regex=LEFT_OUT).parametrize()
@settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_made_up_requests_get_documented_answers(
    gateway: Gateway, prey: Prey, case: schemathesis.Case
) -> None:
    """Whatever fits the schemas, or just does not, is answered as the document says, never 5xx."""
    if "session" in case.path_parameters:
        case.path_parameters["session"] = prey.session
    if isinstance(case.query, dict) and "wait" in case.query:
        case.query["wait"] = 0
    answer = case.call(base_url=gateway.url, headers=prey.tenant.headers, timeout=20)
    case.validate_response(
        answer,
        checks=[not_a_server_error, status_code_conformance, content_type_conformance],
    )
