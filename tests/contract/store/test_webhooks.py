"""Webhooks: the tenant's side, and the deliverer's."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from wa_api.domain.errors import Fenced, QuotaExceeded, WebhookNotFound
from wa_api.domain.ids import TenantId, WebhookId, new_id
from wa_api.store import delivering, tenants, webhooks
from wa_api.store.sealing import Sealed, Sealer
from wa_api.store.webhook_rows import (
    DISABLED,
    PAUSED,
    DeliveryRow,
    Held,
    NewWebhook,
    Progress,
    Waiting,
    WebhookRow,
)

from .conftest import lease_on

NEW = NewWebhook(url="https://example.org/hook", secret="sealed", cursor=7, types=["message.*"])


@pytest.fixture
async def webhook(tenant: TenantId) -> WebhookRow:
    """An enabled webhook."""
    return await webhooks.create(tenant, NEW, 5)


async def claimed(webhook: WebhookRow, epoch: int = 1) -> Held:
    """A deliverer's hold on the webhook."""
    row = await delivering.claim(webhook.id, lease_on(webhook.id, epoch))
    assert row is not None
    return Held(row.tenant, row.id, row.epoch, row.version, row.moves)


def event(cursor: int, **values: object) -> Waiting:
    """An event that waits."""
    return Waiting(cursor=cursor, lane="a", session=None, type="t", envelope=b"{}", **values)


async def test_a_webhook_is_kept_as_it_was_said(tenant: TenantId, webhook: WebhookRow):
    """What was created is read back, by its tenant only."""
    assert await webhooks.get(tenant, webhook.id) == webhook
    assert (webhook.cursor, webhook.types, webhook.timeout) == (7, ["message.*"], 15.0)
    other = (await tenants.create("Other")).id
    with pytest.raises(WebhookNotFound):
        await webhooks.get(other, webhook.id)
    assert await webhooks.list_webhooks(other) == []


async def test_a_tenant_has_only_so_many(tenant: TenantId):
    """Beyond the quota no webhook is made."""
    for _ in range(2):
        await webhooks.create(tenant, NEW, 2)
    with pytest.raises(QuotaExceeded):
        await webhooks.create(tenant, NEW, 2)
    assert len(await webhooks.list_webhooks(tenant)) == 2


async def test_a_replay_makes_the_deliverers_progress_void(tenant: TenantId, webhook: WebhookRow):
    """A replay is not undone by a deliverer that does not know of it yet."""
    held = await claimed(webhook)
    await delivering.save([Progress(held, 100, None)])
    assert (await webhooks.get(tenant, webhook.id)).cursor == 100
    await webhooks.move(tenant, webhook.id, 10)
    await delivering.save([Progress(held, 120, None)])
    assert (await webhooks.get(tenant, webhook.id)).cursor == 10


async def test_an_old_deliverer_writes_nothing(tenant: TenantId, webhook: WebhookRow):
    """After a new claim the old epoch's progress, backlog and state are refused."""
    old, new = await claimed(webhook, 1), await claimed(webhook, 2)
    await delivering.save([Progress(old, 100, None)])
    assert (await webhooks.get(tenant, webhook.id)).cursor == 7
    with pytest.raises(Fenced):
        await delivering.put(old, [event(8)])
    assert not await delivering.stop(old, PAUSED, "failing", None)
    assert await delivering.claim(webhook.id, lease_on(webhook.id, 1)) is None
    assert await delivering.stop(new, DISABLED, "gone", "410")
    assert await delivering.claim(webhook.id, lease_on(webhook.id, 3)) is None


async def test_failed_events_wait_and_those_behind_keep_their_count(webhook: WebhookRow):
    """An event that is already kept is not set back by being read again."""
    held = await claimed(webhook)
    await delivering.put(held, [event(8, attempts=3, next_at=5.0)], [event(9)])
    await delivering.put(held, [], [event(8), event(9), event(10)])
    found = await delivering.pending(held, 10)
    assert [(one.cursor, one.attempts) for one in found] == [(8, 3), (9, 0), (10, 0)]
    assert await delivering.envelope(held, 8) == b"{}"
    await delivering.delivered([(held.webhook, 8), (held.webhook, 9)])
    assert [one.cursor for one in await delivering.pending(held, 10)] == [10]


async def test_dead_letters_are_redriven_some_or_all(tenant: TenantId, webhook: WebhookRow):
    """Redriven events wait again as if never tried; the others stay dead."""
    held = await claimed(webhook)
    now = time.time()
    dead = [event(n, attempts=9, dead_at=now + n, error="500", response="oops") for n in (1, 2, 3)]
    await delivering.put(held, dead)
    assert await webhooks.backlog(tenant, webhook.id) == (0, 3)
    letters = await webhooks.dead_letters(tenant, webhook.id, after=1)
    assert [(one.cursor, one.error, one.envelope) for one in letters] == [
        (2, "500", b"{}"),
        (3, "500", b"{}"),
    ]
    assert await webhooks.redrive(tenant, webhook.id, events=[2]) == 1
    assert [(one.cursor, one.attempts) for one in await delivering.pending(held, 9)] == [(2, 0)]
    assert await webhooks.redrive(tenant, webhook.id, since=now + 2.5) == 1
    assert await webhooks.discard(tenant, webhook.id) == 1
    assert await webhooks.backlog(tenant, webhook.id) == (2, 0)


async def test_deliveries_are_listed_newest_first(tenant: TenantId, webhook: WebhookRow):
    """The log of requests is paged and filtered."""
    ids = [new_id("dlv") for _ in range(3)]
    one = DeliveryRow(
        id="", tenant=tenant, webhook=webhook.id, event="5", type="t", events=1, attempt=1,
        at=time.time(), duration=12, delivered=True, status=200, error=None, response=None,
    )  # fmt: skip
    rows = [replace(one, id=id, delivered=id != ids[1]) for id in ids]
    await delivering.log(rows)
    await delivering.log(rows)
    assert [r.id for r in await webhooks.deliveries(tenant, webhook.id, limit=2)] == ids[:0:-1]
    failed = await webhooks.deliveries(tenant, webhook.id, delivered=False)
    assert [r.id for r in failed] == [ids[1]]
    older = await webhooks.deliveries(tenant, webhook.id, before=ids[1])
    assert [r.id for r in older] == [ids[0]]
    assert await delivering.forget(log_before=time.time() + 9, dead_before=0) == 3


async def test_state_changes_once(tenant: TenantId, webhook: WebhookRow):
    """Pausing twice changes nothing the second time; paused webhooks have no deliverer."""
    _, changed = await webhooks.set_state(tenant, webhook.id, PAUSED)
    assert changed
    _, changed = await webhooks.set_state(tenant, webhook.id, PAUSED)
    assert not changed
    assert webhook.id not in await delivering.enabled()


async def test_deleting_leaves_nothing(tenant: TenantId, webhook: WebhookRow):
    """The webhook goes with its backlog."""
    held = await claimed(webhook)
    await delivering.put(held, [event(8)])
    await webhooks.delete(tenant, webhook.id)
    assert await delivering.pending(held, 5) == []
    with pytest.raises(WebhookNotFound):
        await webhooks.delete(tenant, WebhookId(webhook.id))


def test_sealed_secrets_open_with_any_known_key():
    """After a change of keys old seals still open; without the key they do not."""
    sealed = Sealer(["a" * 40]).seal("whsec_x")
    assert "whsec" not in sealed
    assert Sealer(["b" * 40, "a" * 40]).open(sealed) == "whsec_x"
    with pytest.raises(Sealed):
        Sealer(["b" * 40]).open(sealed)
