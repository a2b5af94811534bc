"""The process behind the event log: it archives what is said, delivers it, keeps house, and sees
to it that scheduled messages fall due.
"""

from __future__ import annotations

import asyncio

from config.settings import Settings
from wa_api.domain.ids import WorkerId
from wa_api.labels import LabelledLog
from wa_api.shelf import MediaOptions, open_shelf
from workers.archiver import Archiver
from workers.filekeeping import FileKeeper
from workers.housekeeping import Housekeeper
from workers.pulse import beating
from workers.run import on_signals, open_shared
from workers.scheduler import Scheduler
from workers.webhooks.process import deliver


async def work(settings: Settings, worker: WorkerId) -> int:
    """Archive, deliver to webhooks and keep house until told to leave; the exit code."""
    stop = asyncio.Event()
    on_signals(stop.set)
    async with open_shared(settings, worker) as bus:
        archiver = Archiver(bus.log, bus.leases, worker, keep_entries=settings.events.live_entries)
        told = LabelledLog(bus.log)
        keeper = Housekeeper(
            told,
            bus.leases,
            worker,
            retention_days=settings.events.retention_days,
            audit_days=settings.events.audit_days,
            media_days=settings.media.retention_days,
            files=FileKeeper(open_shelf(MediaOptions(**settings.media_options()))),
        )
        scheduler = Scheduler(told, bus.commands, bus.leases, worker)

        def figures() -> dict[str, float]:
            return {"events": float(archiver.archived)}

        async with (
            beating(bus.fleet, worker, "webhooks", figures=figures),
            asyncio.TaskGroup() as group,
        ):
            group.create_task(archiver.run(stop))
            group.create_task(keeper.run(stop))
            group.create_task(scheduler.run(stop))
            group.create_task(deliver(settings, bus, worker, stop))
    return 0
