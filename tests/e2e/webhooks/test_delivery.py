"""Events reach endpoints: once each in the good case, in order per chat, at least once in bad ones."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict

import pytest
from standardwebhooks.webhooks import Webhook

from tests.e2e.webhooks.conftest import SECRET, World
from tests.e2e.webhooks.receivers import Request, answer, receiver, until
from wa_api.domain.ids import SessionId
from wa_api.domain.webhooks import CHANNEL
from wa_api.store import webhooks
from wa_api.store.webhook_rows import ENABLED, PAUSED, UNORDERED

pytestmark = pytest.mark.e2e


@pytest.mark.proves("Webhook signature (HMAC)", "rest")
@pytest.mark.proves("Event id and order", "rest")
async def test_every_event_arrives_once_signed_and_in_order(world: World):
    """Events of before and after the worker's start arrive as they were appended, verifiable."""
    async with receiver() as target:
        webhook = await world.webhook(target.url)
        first = await world.say(150)
        world.start()
        await target.received(150)
        second = await world.say(150)
        await target.received(300)
        assert target.ids == first + second
        one = target.requests[0]
        assert Webhook(SECRET).verify(one.body, one.headers)["id"] == first[0]
        assert target.connections <= 10
        await until_async(world, webhook, int(second[-1]))
        rows = await until_logged(world, webhook, 200)
        assert all(row.delivered and row.status == 204 for row in rows)


async def until_logged(
    world: World, webhook: webhooks.WebhookRow, count: int
) -> list[webhooks.DeliveryRow]:
    """Wait until that many deliveries are in the log: it is written in batches, afterwards."""
    for _ in range(500):
        rows = await webhooks.deliveries(world.tenant, webhook.id, limit=count)
        if len(rows) == count:
            return rows
        await asyncio.sleep(0.02)
    raise AssertionError("the delivery log is not complete")


async def until_async(world: World, webhook: webhooks.WebhookRow, cursor: int) -> None:
    """Wait until the webhook's cursor is there."""
    for _ in range(500):
        if (await world.row(webhook)).cursor >= cursor:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the cursor did not move")


@pytest.mark.proves("Webhooks per tenant, many", "rest")
@pytest.mark.proves("Event filter", "rest")
async def test_only_what_was_asked_for_is_delivered(world: World):
    """Type and session filters hold, and the cursor passes what is not wanted."""
    async with receiver() as target, receiver() as none:
        await world.webhook(target.url, types=["chat.*"], sessions=["ses_1"])
        idle = await world.webhook(none.url, types=["message.received"])
        world.start()
        said = await world.say(5)
        await target.received(5)
        await until_async(world, idle, int(said[-1]))
        assert none.requests == []


async def test_a_failing_chat_blocks_only_itself(world: World):
    """Other chats go on; the failing chat's events follow in order once it works."""
    broken = True

    async def picky(request: Request) -> bytes:
        chat = request.event["data"]["chat"]["id"]
        return answer(500 if broken and chat.startswith("0@") else 200)

    async with receiver(picky) as target:
        await world.webhook(target.url)
        world.start(WA_WEBHOOKS_RETRY_SECONDS=",".join(["0.2"] * 50))
        said = await world.say(60, chats=3)
        bad = said[0::3]
        good = [one for one in said if one not in bad]
        await until(lambda: set(good) <= set(target.ids))
        assert set(target.ids) & set(bad) == {bad[0]}
        broken = False
        await until(lambda: set(said) <= set(target.ids))
        assert list(dict.fromkeys(one for one in target.ids if one in bad)) == bad


async def test_unordered_events_go_side_by_side(world: World):
    """Without an order one chat's events use all of the concurrency, and no more."""

    async def slow(_: Request) -> bytes:
        await asyncio.sleep(0.05)
        return answer(200)

    async with receiver(slow) as target:
        await world.webhook(target.url, ordering=UNORDERED, concurrency=4)
        world.start()
        said = await world.say(40)
        await target.received(40)
        assert sorted(target.ids) == sorted(said)
        assert target.most == 4


async def test_batches_hold_many_events_in_order(world: World):
    """With the batch option what waits goes in few requests."""
    async with receiver() as target:
        await world.webhook(target.url, batch=50, concurrency=1)
        said = await world.say(200, chats=4)
        world.start()
        seen: list[str] = []

        def all_there() -> bool:
            seen[:] = [e["id"] for r in target.requests for e in r.event["events"]]
            return len(seen) >= 200

        await until(all_there)
        assert sorted(seen, key=int) == said
        assert len(target.requests) < 20
        by_chat: dict[int, list[str]] = defaultdict(list)
        for one in seen:
            by_chat[said.index(one) % 4].append(one)
        assert all(ids == said[chat::4] for chat, ids in by_chat.items())


@pytest.mark.proves("Survives restart, dead letters, replay", "rest")
async def test_a_killed_worker_loses_nothing(world: World):
    """After kill -9 in the middle another worker delivers every event, each chat in order."""

    async def slow(_: Request) -> bytes:
        await asyncio.sleep(0.005)
        return answer(200)

    async with receiver(slow) as target:
        await world.webhook(target.url)
        first = world.start()
        said = await world.say(600, chats=5)
        await target.received(150)
        os.kill(first.pid, signal.SIGKILL)
        world.start()
        await until(lambda: set(said) <= set(target.ids), 30)
        for chat in range(5):
            wanted = said[chat::5]
            firsts = list(dict.fromkeys(one for one in target.ids if one in set(wanted)))
            assert firsts == wanted


async def test_two_workers_share_but_never_deliver_the_same_webhook_at_once(world: World):
    """With two workers each event arrives once, in order, and both work."""
    async with receiver() as a, receiver() as b, receiver() as c, receiver() as d:
        targets = [a, b, c, d]
        for one in targets:
            await world.webhook(one.url, concurrency=1)
        world.start()
        world.start()
        said: list[str] = []

        async def shared() -> bool:
            owners = {one.worker for one in await webhooks.list_webhooks(world.tenant)}
            return len(owners - {None}) == 2

        for round in range(300):
            said += await world.say(5)
            await asyncio.sleep(0.1)
            if round >= 40 and await shared():
                break
        said += await world.say(5)
        await asyncio.gather(*(one.received(len(said)) for one in targets))
        assert all(list(dict.fromkeys(one.ids)) == said for one in targets)
        assert all(one.most == 1 for one in targets)
        assert await shared()


async def test_pause_resume_and_replay(world: World):
    """A paused webhook gets nothing; resumed it goes on where it stopped; replayed, again."""
    async with receiver() as target:
        webhook = await world.webhook(target.url)
        world.start()
        first = await world.say(3)
        await target.received(3)
        await webhooks.set_state(world.tenant, webhook.id, PAUSED)
        await world.bus.fleet.announce(CHANNEL, SessionId(webhook.id))
        for _ in range(500):
            if not await world.bus.leases.owners([SessionId(webhook.id)]):
                break
            await asyncio.sleep(0.02)
        second = await world.say(3)
        assert target.ids == first
        await webhooks.set_state(world.tenant, webhook.id, ENABLED)
        await world.bus.fleet.announce(CHANNEL, SessionId(webhook.id))
        await target.received(6)
        assert target.ids == first + second
        await webhooks.move(world.tenant, webhook.id, int(first[1]))
        await world.bus.fleet.announce(CHANNEL, SessionId(webhook.id))
        await target.received(10)
        assert target.ids[6:] == [first[2], *second]
