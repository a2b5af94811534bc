"""Sessions: unique names, quotas, states by table, owners by epoch, deletion in steps."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.store.conftest import lease_on
from wa_api.domain.content import Text
from wa_api.domain.errors import (
    Conflict,
    Fenced,
    NameTaken,
    QuotaExceeded,
    SessionNotFound,
    TenantNotFound,
)
from wa_api.domain.ids import TenantId
from wa_api.domain.leases import Lease
from wa_api.domain.sessions import Desired, Reason, SessionState
from wa_api.store import batches, fleet, messages, running, sessions, tenants
from wa_api.store.rows import NewMessage, SessionRow

JID = "5511999990001@s.whatsapp.net"
S = SessionState


async def state(session: SessionRow, lease: Lease, to: S, **more: object) -> SessionRow:
    """Report a state; the row then."""
    return (await sessions.set_state(session.tenant, lease, to, Reason.RESTORED, **more)).row


async def test_a_new_session_is_stopped_and_unlinked(tenant: TenantId):
    """Nothing runs before somebody wants it to."""
    made = await sessions.create(tenant, network="sandbox", name="one", settings={"a": 1})
    assert (made.state, made.desired, made.linked) == (S.STOPPED, Desired.STOPPED, False)
    assert made.settings == {"a": 1}
    assert await sessions.get(tenant, made.id) == made


async def test_names_are_unique_within_a_tenant(tenant: TenantId):
    """A name can be had once per tenant, and again after its session is deleted."""
    first = await sessions.create(tenant, network="sandbox", name="one")
    with pytest.raises(NameTaken):
        await sessions.create(tenant, network="sandbox", name="one")
    second = await sessions.create(tenant, network="sandbox")
    await sessions.create(tenant, network="sandbox")  # no name is no duplicate
    with pytest.raises(NameTaken):
        await sessions.update(tenant, second.id, name="one")
    await sessions.create((await tenants.create("B")).id, network="sandbox", name="one")
    await sessions.delete(tenant, first.id)
    assert (await sessions.update(tenant, second.id, name="one")).name == "one"


async def test_a_quota_holds_against_requests_at_once(tenant: TenantId):
    """Five at once for two places: two get one."""
    await tenants.update(tenant, max_sessions=2)
    results = await asyncio.gather(
        *(sessions.create(tenant, network="sandbox") for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, SessionRow) for one in results) == 2
    assert sum(isinstance(one, QuotaExceeded) for one in results) == 3
    await tenants.update(tenant, max_sessions=0)
    await sessions.create(tenant, network="sandbox")


async def test_sessions_are_listed_in_pages(tenant: TenantId):
    """Oldest first, going on after the last one seen."""
    made = [(await sessions.create(tenant, network="sandbox")).id for _ in range(3)]
    first = await sessions.list_sessions(tenant, limit=2)
    rest = await sessions.list_sessions(tenant, after=first[-1].id)
    assert [one.id for one in first + rest] == made
    assert await sessions.list_sessions(tenant, state=S.CONNECTED) == []
    assert await sessions.count(tenant) == 3


async def test_states_follow_the_table(session: SessionRow, lease: Lease):
    """A state that cannot follow is refused; one that may is recorded with its facts."""
    with pytest.raises(Conflict):
        await state(session, lease, S.CONNECTED)
    await state(session, lease, S.STARTING)
    change = await sessions.set_state(
        session.tenant, lease, S.CONNECTED, Reason.LINKED, jid=JID, push_name="Acme", detail="d"
    )
    assert change.previous is S.STARTING
    assert (change.row.jid, change.row.push_name, change.row.detail) == (JID, "Acme", "d")
    assert await sessions.get(session.tenant, session.id) == change.row


async def test_the_present_state_again_only_records_facts(session: SessionRow, lease: Lease):
    """A repeated report (its answer was lost) is no error and no change."""
    await state(session, lease, S.STARTING)
    before = await state(session, lease, S.CONNECTED)
    change = await sessions.set_state(
        session.tenant, lease, S.CONNECTED, Reason.LINKED, lid="1@lid"
    )
    assert change.previous is change.row.state
    assert (change.row.since, change.row.reason) == (before.since, before.reason)
    assert change.row.lid == "1@lid"


async def test_logging_out_forgets_the_number(session: SessionRow, lease: Lease):
    """After a logout the session is not linked."""
    await state(session, lease, S.STARTING)
    assert (await state(session, lease, S.CONNECTED, jid=JID)).linked
    assert not (await state(session, lease, S.LOGGED_OUT, until=1.5)).linked


async def test_terminal_states_hold_until_a_user_starts_again(session: SessionRow, lease: Lease):
    """No worker picks up a session that ended; a start makes it due. Operators see it always."""
    await state(session, lease, S.STARTING)
    assert [one.id for one in await running.due("sandbox")] == [session.id]
    assert await running.due("whatsapp") == []
    await state(session, lease, S.REPLACED)
    assert await running.due("sandbox") == []
    assert [one.id for one in await fleet.running()] == [session.id]
    assert await fleet.running(after=session.id) == []
    row = await sessions.set_desired(session.tenant, session.id, Desired.RUNNING)
    assert row.state is S.STOPPED
    assert [one.id for one in await running.due("sandbox")] == [session.id]


async def test_a_stopped_wish_without_an_owner_is_unsettled(session: SessionRow, lease: Lease):
    """Somebody must say `stopped` for an owner that died before it could."""
    await state(session, lease, S.STARTING)
    await sessions.set_desired(session.tenant, session.id, Desired.STOPPED)
    assert [one.id for one in await fleet.unsettled("sandbox")] == [session.id]
    await state(session, lease, S.STOPPED)
    assert await fleet.unsettled("sandbox") == []
    assert await fleet.counts() == {("sandbox", "stopped"): 1}


async def test_only_a_newer_epoch_claims(session: SessionRow, lease: Lease):
    """Epochs only grow; the same claim again is fine; the old owner is fenced."""
    assert await fleet.claim(session.id, lease) is not None
    assert await fleet.claim(session.id, lease_on(session.id, 1, "wrk_2")) is None
    claimed = await fleet.claim(session.id, lease_on(session.id, 7, "wrk_2"))
    assert claimed is not None
    assert (claimed.epoch, claimed.worker) == (7, "wrk_2")
    assert await fleet.claim(session.id, lease_on(session.id, 6)) is None
    assert await fleet.epoch(session.id) == 7
    with pytest.raises(Fenced):
        await state(session, lease, S.STARTING)


async def test_claims_at_once_leave_the_newest(session: SessionRow):
    """Whatever the order of arrival, the highest epoch owns the row."""
    await asyncio.gather(
        *(fleet.claim(session.id, lease_on(session.id, n, f"wrk_{n}")) for n in range(1, 9))
    )
    assert await fleet.epoch(session.id) == 8


async def test_a_deleted_session_is_gone_and_its_owner_fenced(session: SessionRow, lease: Lease):
    """Nobody finds it, nobody writes to it; its messages go in steps after its device."""
    tenant = session.tenant
    new = NewMessage(session=session.id, chat=JID, content=Text(body="x"))
    await batches.accept_batch(tenant, session.id, [batches.Item(new)] * 5)
    await messages.accept(tenant, new, "key", "hash")
    await sessions.delete(tenant, session.id)
    for gone in (sessions.get(tenant, session.id), sessions.delete(tenant, session.id)):
        with pytest.raises(SessionNotFound):
            await gone
    with pytest.raises(SessionNotFound):
        await messages.accept(tenant, new)
    with pytest.raises(Fenced):
        await state(session, lease, S.STARTING)
    assert await fleet.claim(session.id, lease_on(session.id, 9)) is None
    assert await fleet.purge() == 0
    assert [one.id for one in await fleet.deleted("sandbox")] == [session.id]
    await fleet.forgotten(session.id)
    assert await fleet.deleted("sandbox") == []
    # Six messages, a chat and the session.
    assert [await fleet.purge(limit=4) for _ in range(3)] == [4, 4, 0]
    assert await fleet.find(session.id) is None


async def test_a_deleted_tenant_leaves_nothing(session: SessionRow):
    """Its sessions are gone at once, and itself when the last of them is purged."""
    tenant = session.tenant
    await tenants.delete(tenant)
    assert await tenants.find(tenant) is None
    with pytest.raises(SessionNotFound):
        await sessions.get(tenant, session.id)
    with pytest.raises(TenantNotFound):
        await sessions.create(tenant, network="sandbox")
    with pytest.raises(TenantNotFound):
        await tenants.delete(tenant)
    await fleet.forgotten(session.id)
    while await fleet.purge():
        pass
    assert await fleet.find(session.id) is None


async def test_another_tenant_finds_no_session(session: SessionRow):
    """Every function answers as if it did not exist."""
    other = (await tenants.create("B")).id
    assert await sessions.find(other, session.id) is None
    assert await sessions.list_sessions(other) == []
    for attempt in (
        sessions.update(other, session.id, name="x"),
        sessions.set_desired(other, session.id, Desired.STOPPED),
        sessions.delete(other, session.id),
    ):
        with pytest.raises(SessionNotFound):
            await attempt


async def test_tenants_are_listed_and_changed(tenant: TenantId):
    """The platform pages through tenants."""
    second = await tenants.create("B", retention_days=3)
    listed = await tenants.list_tenants(after=tenant)
    assert listed == [second]
    changed = await tenants.update(second.id, name="C", retention_days=0)
    assert (changed.name, changed.retention_days) == ("C", None)
    with pytest.raises(TenantNotFound):
        await tenants.update(TenantId("ten_0"), name="x")
