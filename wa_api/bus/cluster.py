"""Redis Cluster: each key's slot lives on one of several servers, and may move."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import structlog
from redis.crc import key_slot

from wa_api.bus.client import Node
from wa_api.bus.connect import Address, Dialer
from wa_api.bus.tasks import Tasks
from wa_api.bus.wire import Connection, Part, ReplyError
from wa_api.domain.errors import Unavailable

log = structlog.get_logger()

#: Times that one command follows a redirection.
_MAX_REDIRECTIONS = 5
#: Seconds between two looks at the map while it is known to be wrong.
_REFRESH_SECONDS = 0.25


class Cluster:
    """Routes each command to the server that has its key."""

    sharded = True

    def __init__(self, dialer: Dialer, tasks: Tasks) -> None:
        self._dialer = dialer
        self._tasks = tasks
        self._nodes: dict[Address, Node] = {}
        self._slots: dict[int, Address] = {}
        self._wrong = asyncio.Event()
        self._known = asyncio.Event()
        self._wrong.set()
        tasks.spawn(self._keep_map())

    async def execute(self, key: str, *parts: Part) -> Any:
        """See Redis."""
        slot = key_slot(key.encode()) if key else random.randrange(16384)  # noqa: S311
        address = self._slots.get(slot) or await self._locate(slot)
        asking = False
        for _ in range(_MAX_REDIRECTIONS):
            node = self._node(address)
            try:
                if asking:
                    return await node.pipeline(("ASKING",), parts)
                return await node.execute(key, *parts)
            except ReplyError as refusal:
                verb, _, rest = str(refusal).partition(" ")
                if verb not in ("MOVED", "ASK"):
                    raise
                address = _address(rest.split(" ")[1], address)
                asking = verb == "ASK"
                if not asking:
                    self._slots[slot] = address
                    self._wrong.set()
            except Unavailable:
                self._wrong.set()
                raise
        raise Unavailable("The Redis Cluster sends this command in circles.")

    async def dial(self, on_push: Callable[[Any], None]) -> Connection:
        """Any server: the cluster carries publications to all of them."""
        known = list({*self._slots.values()} or self._dialer.target.addresses)
        return await self._dialer.connect(random.choice(known), on_push)  # noqa: S311

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            node = Node(
                lambda on_push: self._dialer.connect(address, on_push),
                self._dialer.limit,
                self._tasks,
            )
            self._nodes[address] = node
        return node

    async def _locate(self, slot: int) -> Address:
        try:
            async with asyncio.timeout(self._dialer.limit):
                await self._known.wait()
            return self._slots[slot]
        except (TimeoutError, KeyError):
            self._wrong.set()
            raise Unavailable("No server of the Redis Cluster has this slot.") from None

    async def _keep_map(self) -> None:
        while True:
            await self._wrong.wait()
            self._wrong.clear()
            if not await self._refresh():
                self._wrong.set()
            await asyncio.sleep(_REFRESH_SECONDS)

    async def _refresh(self) -> bool:
        """Ask servers for the map until one answers with a whole one."""
        known = [*{*self._slots.values()}]
        random.shuffle(known)
        for address in [*known, *self._dialer.target.addresses]:
            try:
                slots = await self._ask(address)
            except (Unavailable, OSError):
                continue
            if slots:
                self._slots = slots
                self._known.set()
                self._drop_strangers()
                return True
        return False

    async def _ask(self, address: Address) -> dict[int, Address]:
        connection = await self._dialer.connect(address)
        try:
            ranges = await connection.send(("CLUSTER", "SLOTS"))
        finally:
            connection.abort()
        if type(ranges) is ReplyError:
            raise Unavailable(f"This is no Redis Cluster: {ranges}")
        return {
            slot: (master[0].decode() or address[0] if master[0] else address[0], int(master[1]))
            for first, last, master, *_ in ranges
            for slot in range(first, last + 1)
        }

    def _drop_strangers(self) -> None:
        members = {*self._slots.values()}
        for address in [known for known in self._nodes if known not in members]:
            self._nodes.pop(address).close()


def _address(text: str, asked: Address) -> Address:
    """`host:port` of a redirection; an empty host means the server that was asked."""
    host, _, port = text.rpartition(":")
    return (host or asked[0], int(port))
