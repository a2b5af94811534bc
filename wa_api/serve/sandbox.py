"""Starting our own sandbox, and learning where it listens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

import orjson

from config.settings import SANDBOX, Network, Settings, WrongSetting
from wa_api.serve import roles
from wa_api.serve.crew import Crew
from wa_api.serve.prepare import StartFailed
from wa_api.serve.slot import Slot

#: Seconds until it must have said where it listens.
_LIMIT = 30.0


async def start_sandbox(settings: Settings, crew: Crew) -> Network:
    """Run it, and return where it is; raises StartFailed. When it has to be started again it gets
    the same port: session workers keep the address that they were started with.
    """
    slot = crew.add(roles.sandbox({}))
    try:
        async with asyncio.timeout(_LIMIT):
            while not _written_by(slot, settings):  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.02)
        network = settings.network(SANDBOX)
    except (TimeoutError, WrongSetting):
        why = "The sandbox did not start; WA_SANDBOX_ENABLED=false leaves it out."
        raise StartFailed(why) from None
    port = urlsplit(network.proxy_url or "").port
    slot.spec = replace(slot.spec, env={"WA_SANDBOX_PORT": str(port)})
    return network


def _written_by(slot: Slot, settings: Settings) -> bool:
    """Whether the network's file is of this process, not of an earlier run."""
    try:
        facts = orjson.loads(settings.network_file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return False
    return slot.child is not None and bool(facts.get("pid") == slot.child.pid)
