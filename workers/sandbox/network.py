"""The network: accounts, their connections and mailboxes, and delivery between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from workers.sandbox import mailbox
from workers.sandbox.accounts import Account, Device, Directory
from workers.sandbox.calls import Calls
from workers.sandbox.faults import Faults
from workers.sandbox.groups import Groups
from workers.sandbox.judge import Judge
from workers.sandbox.mailbox import Mailbox
from workers.sandbox.media import MediaHost
from workers.sandbox.newsletters import Newsletters
from workers.sandbox.noise import ServerKeys
from workers.sandbox.presence import Watchers
from workers.sandbox.state import State
from workers.sandbox.wire import Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.pairing import CodePairing
    from workers.sandbox.phonebook import Phones

log = structlog.get_logger()


class Network:
    """Everything the servers share. All of it lives on one event loop."""

    def __init__(self, state: State, keys: ServerKeys, media: MediaHost) -> None:
        self.state, self.media = state, media
        self.keys = keys
        self.chain = keys.chain()
        self.directory = Directory(state)
        self.groups = Groups(state)
        self.newsletters = Newsletters(state)
        self.judge = Judge()
        self.faults = Faults()
        #: (author, recipient) of everybody who wrote to somebody.
        self.wrote: set[tuple[str, str]] = set()
        self.calls = Calls()
        self.connections: dict[tuple[str, int], Connection] = {}
        self.sockets: set[Connection] = set()
        self.refs: dict[str, Connection] = {}
        self.codes: dict[str, CodePairing] = {}
        self.phones: Phones
        self.watchers = Watchers()
        self.last_seen: dict[str, int] = {}
        self._mailboxes = mailbox.load(state)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stanza = 0

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs something beside; it ends with the network at the latest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sandbox.task_failed", error=repr(error), exc_info=error)

    async def close(self) -> None:
        """Closes every socket and ends every task."""
        for connection in list(self.sockets):
            connection.abort("shutdown")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stanza_id(self) -> str:
        """An id for a stanza of the server's own."""
        self._stanza += 1
        return f"{int(time.time())}-{self._stanza}"

    def mailbox(self, account: Account, device: int) -> Mailbox:
        """What waits for a device."""
        owner = f"{account.id}:{device}"
        box = self._mailboxes.get(owner)
        if box is None:
            box = self._mailboxes[owner] = Mailbox(self.state, owner)
        return box

    def live(self, account: Account, device: int) -> Connection | None:
        """The device's connection, if it has one."""
        return self.connections.get((account.id, device))

    def is_available(self, account: Account) -> bool:
        """Whether the phone or one of its companions announced that it is there."""
        links = (self.live(account, device) for device in account.devices)
        return self.phones.is_available(account) or any(c and c.available for c in links)

    def deliver(self, account: Account, device: int, node: Node, *, keep: bool = True) -> None:
        """Hands a stanza to a device, now or when it is back; without `keep` only now."""
        if device == 0:
            self.phones.receive(account, node, keep=keep)
            return
        if device not in account.devices:
            return
        if keep and not self.mailbox(account, device).add(node):
            log.error("sandbox.mailbox_full", device=f"{account.number}:{device}")
            return
        connection = self.live(account, device)
        if connection is not None and connection.active:
            connection.push(node)

    def add_device(self, account: Account, device: Device) -> None:
        """A companion was linked."""
        account.devices[device.id] = device
        self.directory.save(account)
        self._tell_devices(account)

    def remove_device(self, account: Account, device: int) -> None:
        """A companion is no longer linked: its connection must be ended by the caller."""
        if account.devices.pop(device, None) is None:
            return
        self.directory.save(account)
        self.mailbox(account, device).clear()
        self._mailboxes.pop(f"{account.id}:{device}", None)
        self._tell_devices(account)

    def _tell_devices(self, account: Account) -> None:
        """Everybody who is connected forgets the device list that he may have cached."""
        for (account_id, device), connection in list(self.connections.items()):
            peer = self.directory.by_id(account_id)
            if peer is None or peer.tenant != account.tenant or not connection.active:
                continue
            note = Node(
                "notification",
                {
                    "from": account.lid_jid,
                    "type": "devices",
                    "id": self.stanza_id(),
                    "t": int(time.time()),
                },
                [Node("update", {"hash": "2:0", "device_hash": "2:0"})],
            )
            self.deliver(peer, device, note)
