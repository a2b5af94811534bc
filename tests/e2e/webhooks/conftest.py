"""Real webhook workers with a real Redis-compatible server and both databases."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contract.store.conftest import migrated, url  # noqa: F401 - fixtures
from tests.support.servers import redis_server
from wa_api.bus.open import Bus, open_bus
from wa_api.domain.events import ChatTyping, event
from wa_api.domain.ids import SessionId, TenantId, WebhookId
from wa_api.domain.messages import Address
from wa_api.domain.webhooks import CHANNEL
from wa_api.store import tenants, webhooks
from wa_api.store.open import open_store
from wa_api.store.sealing import Sealer
from wa_api.store.webhook_rows import NewWebhook, WebhookRow
from wa_api.wiring import floor

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = secrets.token_urlsafe(32)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis-compatible server of these tests' own."""
    with redis_server() as (address, _):
        yield address


@dataclass
class World:
    """A database, a bus, a tenant, and webhook workers."""

    url: str
    redis_url: str
    prefix: str
    directory: Path
    bus: Bus
    tenant: TenantId
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, **more: str) -> subprocess.Popen[bytes]:
        """Start a webhook worker."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WA_")}
        env = kept | {
            "WA_DATA_DIR": str(self.directory),
            "WA_DATABASE_URL": self.url,
            "WA_REDIS_URL": self.redis_url,
            "WA_REDIS_PREFIX": self.prefix,
            "WA_AUTH_JWT_SECRET": KEY,
            "WA_SESSIONS_LEASE_SECONDS": "2",
            "WA_WEBHOOKS_ALLOW_PRIVATE": "127.0.0.1",
            "WA_WEBHOOKS_ALLOW_HTTP": "true",
            "WA_WEBHOOKS_RETRY_SECONDS": "0.3,0.3,0.3",
            **more,
        }
        process = subprocess.Popen([sys.executable, "-m", "workers", "webhooks"], env=env)
        self.processes.append(process)
        return process

    async def webhook(self, target: str, **more: object) -> WebhookRow:
        """A webhook from the log's present end on."""
        values = {
            "url": target,
            "secret": Sealer([KEY]).seal(SECRET),
            "cursor": int(await self.bus.log.head(self.tenant)),
            **more,
        }
        made = await webhooks.create(self.tenant, NewWebhook(**values), 100)  # type: ignore[arg-type]
        await self.bus.fleet.announce(CHANNEL, SessionId(made.id))
        return made

    async def say(self, count: int, chats: int = 1) -> list[str]:
        """Append events about some chats, in turn; their cursors."""
        events = [
            event(self.tenant, "ses_1", typing(f"{n % chats}@s.whatsapp.net")) for n in range(count)
        ]
        cursors: list[str] = []
        for start in range(0, count, 200):
            cursors += await self.bus.log.append(events[start : start + 200])
        return cursors

    async def row(self, webhook: WebhookRow) -> WebhookRow:
        """The webhook as it is now."""
        return await webhooks.get(self.tenant, WebhookId(webhook.id))


def typing(chat: str) -> ChatTyping:
    """Something that happened in a chat."""
    return ChatTyping(chat=Address(id=chat), sender=Address(id=chat), state="typing")


@pytest.fixture
async def world(url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[World]:  # noqa: F811
    """Everything but the workers."""
    prefix = f"t{secrets.token_hex(4)}:"
    async with (
        open_store(url),
        open_bus(redis_url, prefix, 2.0, floor=floor) as bus,
    ):
        made = World(url, redis_url, prefix, tmp_path, bus, (await tenants.create("Acme")).id)
        try:
            yield made
        finally:
            for process in made.processes:
                process.terminate()
            for process in made.processes:
                with suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(process.wait, 8)
                process.kill()
