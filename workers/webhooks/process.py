"""Delivering, as one part of a process: made from the settings."""

from __future__ import annotations

import asyncio
import ssl

from config.settings import Settings
from wa_api.bus.open import Bus
from wa_api.domain.ids import WorkerId
from wa_api.net.addresses import Guarded, Rules
from wa_api.readers import Tails
from wa_api.store.sealing import Sealer
from workers.sessions.deadman import Deadman, deadman
from workers.webhooks.deliverer import Means
from workers.webhooks.owner import Options, Owner
from workers.webhooks.patience import Schedule
from workers.webhooks.recorder import Recorder


async def deliver(
    settings: Settings,
    bus: Bus,
    worker: WorkerId,
    stop: asyncio.Event,
    timer: Deadman | None = None,
) -> None:
    """Deliver this process's share of all webhooks until `stop`."""
    chosen = settings.webhooks
    means = Means(
        log=bus.log,
        tails=Tails(bus.log, bus.feed),
        recorder=Recorder(),
        schedule=Schedule(chosen.schedule),
        pause_seconds=chosen.pause_seconds,
    )
    options = Options(
        backend=Guarded(Rules(chosen.allowed)),
        tls=ssl.create_default_context(),
        sealer=Sealer(settings.sealing_keys()),
        log_days=chosen.log_days,
        dead_letter_days=chosen.dead_letter_days,
    )
    await Owner(bus, worker, means, options, timer or deadman()).run(stop)
