"""The record of what really happened at the network: every connection and every message."""

from __future__ import annotations

import time
from collections import Counter, deque
from itertools import takewhile
from typing import Any

import msgspec
import structlog

log = structlog.get_logger()

LIMIT = 200_000


class Link(msgspec.Struct):
    """One logged-in connection of a device. Times: wall in Unix seconds, mono in seconds."""

    number: int
    tenant: str
    phone: str
    device: str
    peer: str
    opened: float
    opened_mono: float
    closed: float | None = None
    closed_mono: float | None = None
    reason: str = ""
    last_frame_mono: float = 0.0
    replaced_mono: float | None = None
    frames_after_replaced: int = 0


class Overlap(msgspec.Struct):
    """A login of a device whose older connection was still open."""

    tenant: str
    phone: str
    device: str
    old: int
    new: int
    at: float
    at_mono: float
    old_silent_seconds: float  # since the old connection's last frame
    frames_after: int = 0  # frames the old connection still sent after the new login


class Arrival(msgspec.Struct):
    """A message that a client's device handed to the network."""

    number: int
    id: str
    tenant: str
    phone: str
    device: str
    chat: str
    at: float
    at_mono: float
    kind: str  # "message", "retry" or "repeat" (the same id from the same device again)
    refused: int = 0
    text: str | None = None  # once a phone of the sandbox has decrypted it
    type: str | None = None
    read_mono: float | None = None  # when that phone had decrypted it


class Departure(msgspec.Struct):
    """A message that a phone of the sandbox sent."""

    number: int
    id: str
    tenant: str
    phone: str
    chat: str
    at: float
    at_mono: float
    text: str | None
    receipts: dict[str, float] = {}  # "device type" -> mono


class Judge:
    """Bounded logs: the oldest entries go first when LIMIT is reached."""

    def __init__(self) -> None:
        self.links: deque[Link] = deque(maxlen=LIMIT)
        self.live: dict[int, Link] = {}
        self.overlaps: deque[Overlap] = deque(maxlen=LIMIT)
        self.arrivals: deque[Arrival] = deque(maxlen=LIMIT)
        self.departures: deque[Departure] = deque(maxlen=LIMIT)
        self.counts: Counter[str] = Counter()
        self._arrived: dict[tuple[str, str], Arrival] = {}
        self._departed: dict[str, Departure] = {}
        self._number = 0

    def _next(self) -> int:
        self._number += 1
        return self._number

    def opened(self, tenant: str, phone: str, device: str, peer: str) -> Link:
        """A device has logged in."""
        now = time.monotonic()
        link = Link(self._next(), tenant, phone, device, peer, time.time(), now)
        link.last_frame_mono = now
        self.links.append(link)
        self.live[link.number] = link
        self.counts["logins"] += 1
        return link

    def overlap(self, old: Link, new: Link) -> Overlap:
        """`new` logged in while `old` was open."""
        now = time.monotonic()
        old.replaced_mono = now
        silent = round(now - old.last_frame_mono, 4)
        found = Overlap(
            new.tenant, new.phone, new.device, old.number, new.number, time.time(), now, silent
        )
        self.overlaps.append(found)
        self.counts["double_connections"] += 1
        log.warning(
            "sandbox.double_connection",
            device=new.device,
            old=old.number,
            new=new.number,
            old_silent=silent,
        )
        return found

    def closed(self, link: Link, reason: str) -> None:
        """A connection ended; a second time says nothing new."""
        if self.live.pop(link.number, None) is not None:
            link.closed, link.closed_mono = time.time(), time.monotonic()
            link.reason = reason

    def arrived(
        self, tenant: str, phone: str, device: str, chat: str, id: str, kind: str
    ) -> Arrival:
        """A device's message reached the server."""
        if kind == "message" and (device, id) in self._arrived:
            kind = "repeat"
            self.counts["repeats"] += 1
        at = time.monotonic()
        entry = Arrival(self._next(), id, tenant, phone, device, chat, time.time(), at, kind)
        if len(self.arrivals) == LIMIT:
            old = self.arrivals[0]
            self._arrived.pop((old.device, old.id), None)
        self.arrivals.append(entry)
        if kind == "message":
            self._arrived[(device, id)] = entry
        self.counts["arrived"] += 1
        return entry

    def decrypted(self, device: str, id: str, text: str | None, type: str) -> None:
        """A phone could read that message."""
        entry = self._arrived.get((device, id))
        if entry is not None and entry.read_mono is None:
            entry.text, entry.type, entry.read_mono = text, type, time.monotonic()
            self.counts["decrypted"] += 1

    def departed(self, tenant: str, phone: str, chat: str, id: str, text: str | None) -> None:
        """A phone sent a message."""
        at = time.monotonic()
        entry = Departure(self._next(), id, tenant, phone, chat, time.time(), at, text)
        if len(self.departures) == LIMIT:
            self._departed.pop(self.departures[0].id, None)
        self.departures.append(entry)
        self._departed[id] = entry
        self.counts["sent"] += 1

    def acknowledged(self, id: str, device: str, type: str) -> None:
        """A device confirmed a phone's message with a receipt or an ack of this type."""
        entry = self._departed.get(id)
        if entry is not None:
            entry.receipts.setdefault(f"{device} {type}", time.monotonic())

    def figures(self, tenant: str | None) -> dict[str, Any]:
        """Totals since the last reset; of one tenant they are counted from the logs."""
        if tenant is None:
            names = ("logins", "double_connections", "arrived", "repeats", "decrypted", "sent")
            return {name: self.counts[name] for name in names}
        arrivals = [entry for entry in self.arrivals if entry.tenant == tenant]
        return {
            "logins": sum(link.tenant == tenant for link in self.links),
            "double_connections": sum(o.tenant == tenant for o in self.overlaps),
            "arrived": len(arrivals),
            "repeats": sum(entry.kind == "repeat" for entry in arrivals),
            "decrypted": sum(entry.read_mono is not None for entry in arrivals),
            "sent": sum(entry.tenant == tenant for entry in self.departures),
        }

    def reset(self, tenant: str | None) -> None:
        """Forgets messages and closed connections (of one tenant)."""
        self.links = self._keep(self.links, tenant, live=True)
        self.overlaps = self._keep(self.overlaps, tenant)
        self.arrivals = self._keep(self.arrivals, tenant)
        self.departures = self._keep(self.departures, tenant)
        self._arrived = {(a.device, a.id): a for a in self.arrivals if a.kind == "message"}
        self._departed = {d.id: d for d in self.departures}
        if tenant is None:
            self.counts.clear()

    def _keep(self, entries: Any, tenant: str | None, *, live: bool = False) -> Any:
        return deque(
            (
                e
                for e in entries
                if (tenant is not None and e.tenant != tenant) or (live and e.closed is None)
            ),
            maxlen=LIMIT,
        )

    @staticmethod
    def page(entries: Any, tenant: str | None, after: int, limit: int, **same: Any) -> list[Any]:
        """Entries numbered above `after`, as plain data, oldest first."""
        wanted = {key: value for key, value in same.items() if value is not None}
        newer = takewhile(lambda entry: entry.number > after, reversed(entries))
        found = [
            entry
            for entry in newer
            if (tenant is None or entry.tenant == tenant)
            and all(getattr(entry, key) == value for key, value in wanted.items())
        ]
        return [msgspec.to_builtins(entry) for entry in found[: -limit - 1 : -1]]
