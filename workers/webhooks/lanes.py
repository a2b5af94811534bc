"""What one webhook has to deliver, in lanes: one after the other inside, side by side between.

A lane is a chat (or, unordered, one event). Events are *fresh* (only in memory: the webhook's
cursor may not pass them) or *kept* (rows of the backlog: it may).
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Item:
    """One event. `envelope` is empty when it is kept and was not read back yet."""

    cursor: int
    lane: str
    session: str | None
    type: str
    envelope: bytes = b""
    attempts: int = 0
    first_at: float | None = None
    kept: bool = False
    settled: bool = False


@dataclass(slots=True, eq=False)
class Lane:
    """Events in order. `troubled`: its first one failed, so the others wait as rows."""

    key: str
    items: list[Item] = field(default_factory=list)
    busy: bool = False
    waits: bool = False
    troubled: bool = False


#: What goes into one request: for each lane its first events.
Job = list[tuple[Lane, list[Item]]]


def _cursor(item: Item) -> int:
    return item.cursor


class Lanes:
    """All lanes of one webhook."""

    def __init__(self, cursor: int) -> None:
        """`cursor`: everything up to it is settled."""
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._waiting: list[tuple[float, int, Lane]] = []
        self._unsettled: deque[Item] = deque()
        self._number = 0
        self._low = cursor
        self.kept: set[int] = set()
        self.fresh = 0

    def troubled(self, key: str) -> bool:
        """Whether events of this lane must be kept at once."""
        lane = self._lanes.get(key)
        return lane is not None and lane.troubled

    def add(self, item: Item, due: float = 0.0) -> None:
        """An event to deliver: now, or (of a kept one) not before `due`."""
        if item.kept:
            if item.cursor in self.kept:
                return
            self.kept.add(item.cursor)
        else:
            self.fresh += 1
            self._unsettled.append(item)
        lane = self._lanes.setdefault(item.lane, Lane(item.lane))
        idle = not lane.items
        insort(lane.items, item, key=_cursor)
        lane.troubled |= item.kept
        if idle and due:
            self.wait(lane, due)
        elif idle:
            self._ready.append(lane)

    def take(self, most: int) -> Job:
        """What to send next: one lane's first event, or a batch of fresh ones of many lanes."""
        job: Job = []
        room = most
        while self._ready and room > 0:
            lane = self._ready[0]
            alone = lane.troubled or lane.items[0].attempts > 0
            if alone and job:
                break
            self._ready.popleft()
            lane.busy = True
            chosen = lane.items[: 1 if alone else room]
            job.append((lane, chosen))
            room = 0 if alone else room - len(chosen)
        return job

    def done(self, lane: Lane, items: list[Item]) -> None:
        """These, the lane's first, are settled: delivered, or given up."""
        for item in items:
            self._settle(item)
            self.kept.discard(item.cursor)
            lane.items.remove(item)
        lane.busy = False
        if lane.items:
            lane.troubled = any(item.kept for item in lane.items)
            self._ready.append(lane)
        else:
            self._lanes.pop(lane.key, None)

    def keep(self, items: list[Item]) -> None:
        """These are rows now."""
        for item in items:
            self._settle(item)
            item.kept, item.envelope = True, b""
            self.kept.add(item.cursor)

    def wait(self, lane: Lane, until: float) -> None:
        """Try the lane again then."""
        self._number += 1
        lane.busy, lane.waits = False, True
        heapq.heappush(self._waiting, (until, self._number, lane))

    def wake(self, now: float) -> None:
        """Lanes whose time has come are ready."""
        while self._waiting and self._waiting[0][0] <= now:
            _, _, lane = heapq.heappop(self._waiting)
            lane.waits = False
            self._ready.append(lane)

    def wake_all(self) -> None:
        """The endpoint is well again: nothing needs to wait."""
        self.wake(float("inf"))

    @property
    def next_due(self) -> float:
        """When a waiting lane's time comes."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def cursor(self, seen: int) -> int:
        """Everything up to here is settled, given that the log was read up to `seen`."""
        while self._unsettled and self._unsettled[0].settled:
            self._low = self._unsettled.popleft().cursor
        if not self._unsettled:
            self._low = seen
        return self._low

    def _settle(self, item: Item) -> None:
        if not item.settled and not item.kept:
            self.fresh -= 1
        item.settled = True
