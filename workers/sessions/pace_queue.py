"""Which message goes next: one lane per chat, kept in order; among lanes the urgent ones first.

No I/O; the time is always given. A lane takes part with its first message, at the priority of the
most urgent one in it, so that nothing urgent is stuck behind its own chat's campaign. Where it
matters who is written to (a policy, a restriction), a lane waits until its chat's acquaintance
was looked up (`strangers`, `learn`).
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from wa_api.domain.commands import Command
from wa_api.domain.ids import MessageId
from wa_api.domain.pacing import Priority
from wa_api.store.rows import Acquaintance
from workers.sessions.pacer import NEVER, Pacer, Turn

RANKS = len(Priority)
_REPLY, _NORMAL = Priority.REPLY.rank, Priority.NORMAL.rank


@dataclass(slots=True, eq=False)
class Job:
    """A message to send. `at`: since when it waits, `deadline` (both Unix seconds); `commands`
    wait for the outcome; `first`: it goes to a chat that was never written with; `typing`: for so
    many seconds "typing…" is shown before.
    """

    id: MessageId
    chat: str
    at: float
    deadline: float
    priority: Priority | None = None
    commands: list[Command] = field(default_factory=list)
    first: bool = False
    typing: float = 0.0

    @property
    def key(self) -> tuple[float, str]:
        """Its place among others."""
        return self.at, self.id


@dataclass(slots=True, eq=False)
class _Lane:
    """One chat's messages. `stamp` changes whenever its place does; `busy`: one is under way."""

    chat: str
    jobs: deque[Job] = field(default_factory=deque)
    counts: Counter[Priority | None] = field(default_factory=Counter)
    known: Acquaintance | None = None
    cold: bool = False
    heard: float = 0.0
    rests_until: float = 0.0
    busy: bool = False
    stamp: int = 0

    @property
    def first(self) -> bool:
        """Whether its next message is a first contact."""
        return self.cold or (self.known is not None and not self.known.met and not self.heard)

    def add(self, job: Job) -> bool:
        """Keep the order; whether it is the new head."""
        self.counts[job.priority] += 1
        place = len(self.jobs)
        while place and self.jobs[place - 1].key > job.key:
            place -= 1
        self.jobs.insert(place, job)
        return place == 0

    def remove(self, job: Job) -> None:
        """Forget one."""
        self.jobs.remove(job)
        self.counts[job.priority] -= 1


class Queue:
    """What waits in one session."""

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self._jobs: dict[MessageId, Job] = {}
        self._lanes: dict[str, _Lane] = {}
        #: (key, stamp, lane) by rank and by whether it is a first contact.
        self._ready: dict[tuple[int, bool], list[tuple[tuple[float, str], int, _Lane]]] = {
            (rank, first): [] for rank in range(RANKS) for first in (False, True)
        }
        self._resting: list[tuple[float, int, _Lane]] = []
        self._strangers: dict[str, _Lane] = {}
        self._deadlines: list[tuple[float, MessageId]] = []
        self._rests: OrderedDict[str, float] = OrderedDict()
        self._stamp = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, message: object) -> bool:
        return message in self._jobs

    def find(self, message: MessageId) -> Job | None:
        """A job that waits."""
        return self._jobs.get(message)

    def ids(self) -> set[MessageId]:
        """All that wait."""
        return set(self._jobs)

    def put(self, job: Job, now: float) -> None:
        """One more waits."""
        lane = self._lanes.get(job.chat)
        if lane is None:
            lane = self._lanes[job.chat] = _Lane(job.chat)
            lane.rests_until = self._rests.get(job.chat, 0.0)
        self._jobs[job.id] = job
        if job.deadline < NEVER:
            heapq.heappush(self._deadlines, (job.deadline, job.id))
        urgent = not lane.counts[job.priority]
        if lane.add(job) or urgent:
            self._file(lane, now)

    def drop(self, message: MessageId, now: float) -> Job | None:
        """Forget one that waits."""
        job = self._jobs.pop(message, None)
        if job is None:
            return None
        lane = self._lanes[job.chat]
        lane.remove(job)
        self._after(lane, now)
        return job

    def next(self, now: float) -> Job | None:
        """Take the message whose turn it is; its lane waits until `done` or `again`."""
        lane = self._choose(now)
        if lane is None:
            return None
        job = lane.jobs.popleft()
        lane.counts[job.priority] -= 1
        del self._jobs[job.id]
        job.first = lane.first
        lane.busy = True
        self._stamp += 1
        lane.stamp = self._stamp
        self.pacer.take(now, job.first)
        return job

    def done(self, job: Job, now: float, went: bool) -> None:
        """Its turn is over; `went`: it went out, so that its chat is known and rests."""
        lane = self._lanes[job.chat]
        lane.busy = False
        if not went:
            self.pacer.give_back(now, job.first)
        else:
            self.pacer.recover()
            lane.known, lane.cold = Acquaintance(met=True), False
            lane.rests_until = now + self.pacer.gap
            self._remember_rest(lane, now)
        self._after(lane, now)

    def again(self, job: Job, now: float, pause: float, cold: bool = False) -> None:
        """It did not go out: the next of its chat, after a pause. `cold`: WhatsApp takes its chat
        for a first contact.
        """
        lane = self._lanes[job.chat]
        lane.busy, lane.cold = False, lane.cold or cold
        lane.rests_until = now + pause
        self.pacer.give_back(now, job.first)
        self.put(job, now)
        self._file(lane, now)

    def expired(self, now: float) -> list[Job]:
        """Take out all whose time is over."""
        over: list[Job] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, message = heapq.heappop(self._deadlines)
            job = self.drop(message, now)
            if job is not None:
                over.append(job)
        if len(self._deadlines) > 2 * len(self._jobs) + 64:
            self._deadlines = [(job.deadline, job.id) for job in self._jobs.values()]
            heapq.heapify(self._deadlines)
        return over

    def wakes(self, now: float, ready: bool) -> float:
        """When to look again (Unix seconds): a deadline, or, where sends are `ready`, a turn."""
        at = self._deadlines[0][0] if self._deadlines else NEVER
        if not ready:
            return at
        if self._resting:
            at = min(at, self._resting[0][0])
        return min([at, *(self._turn(place, now).at for place in self._ready if self._top(place))])

    def strangers(self) -> list[str]:
        """Chats that must be looked up before they can be written to."""
        return list(self._strangers)

    def learn(self, known: Mapping[str, Acquaintance], now: float) -> None:
        """What was looked up."""
        for chat, acquaintance in known.items():
            lane = self._strangers.pop(chat, None)
            if lane is not None:
                lane.known, lane.heard = acquaintance, max(lane.heard, acquaintance.heard or 0.0)
                self._file(lane, now)

    def hear(self, chat: str, now: float) -> None:
        """A chat wrote: what waits for it are replies now."""
        lane = self._lanes.get(chat)
        if lane is not None and self.pacer.selective:
            lane.heard, lane.cold = now, False
            self._file(lane, now)

    def refile(self, now: float) -> None:
        """The policy changed, or a restriction began or ended."""
        self._strangers.clear()
        self._resting.clear()
        for heap in self._ready.values():
            heap.clear()
        for lane in self._lanes.values():
            self._file(lane, now)

    def outlook(self, now: float) -> Turn | None:
        """When the next message may go, and what it waits for; None when none waits."""
        self._wake(now)
        turns = [self._turn(place, now) for place in self._ready if self._top(place)]
        turns += [Turn(at, "chat_gap") for at, stamp, lane in self._resting if lane.stamp == stamp]
        return min(turns, default=None)

    def turn_of(self, message: MessageId, now: float) -> tuple[int, Turn] | None:
        """How many go before a message that waits, and what its chat waits for."""
        job = self._jobs.get(message)
        if job is None:
            return None
        mine = self._lanes[job.chat]
        rank = self._rank(mine, now)
        before = sum(
            (self._rank(lane, now), one.key) < (rank, job.key)
            for lane in self._lanes.values()
            for one in lane.jobs
        )
        turn = self.pacer.turn(now, rank == _REPLY, mine.first)
        rest = Turn(mine.rests_until, "chat_gap")
        return before, max(turn, rest) if rest.at > now else turn

    # Places.

    def _rank(self, lane: _Lane, now: float) -> int:
        policy = self.pacer.policy
        recently = now - policy.reply_hours * 3600 if policy else now
        if lane.counts[Priority.REPLY] or (lane.counts[None] and lane.heard > recently):
            return _REPLY
        if lane.counts[Priority.NORMAL] or lane.counts[None]:
            return _NORMAL
        return _NORMAL + 1

    def _file(self, lane: _Lane, now: float) -> None:
        """Put a lane where it belongs; its earlier places are void."""
        self._stamp += 1
        lane.stamp = self._stamp
        if lane.busy or not lane.jobs:
            return
        if lane.known is None and self.pacer.selective:
            self._strangers[lane.chat] = lane
        elif lane.rests_until > now:
            heapq.heappush(self._resting, (lane.rests_until, lane.stamp, lane))
        else:
            place = self._ready[self._rank(lane, now), lane.first]
            heapq.heappush(place, (lane.jobs[0].key, lane.stamp, lane))

    def _after(self, lane: _Lane, now: float) -> None:
        """A job left: the lane goes with its last one."""
        if lane.jobs or lane.busy:
            self._file(lane, now)
            return
        del self._lanes[lane.chat]
        self._strangers.pop(lane.chat, None)
        self._stamp += 1
        lane.stamp = self._stamp

    def _remember_rest(self, lane: _Lane, now: float) -> None:
        if self.pacer.gap:
            self._rests[lane.chat] = lane.rests_until
            self._rests.move_to_end(lane.chat)
        while self._rests and next(iter(self._rests.values())) <= now:
            self._rests.popitem(last=False)

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            _, stamp, lane = heapq.heappop(self._resting)
            if lane.stamp == stamp:
                self._file(lane, now)

    def _top(self, place: tuple[int, bool]) -> _Lane | None:
        heap = self._ready[place]
        while heap and heap[0][2].stamp != heap[0][1]:
            heapq.heappop(heap)
        return heap[0][2] if heap else None

    def _turn(self, place: tuple[int, bool], now: float) -> Turn:
        rank, first = place
        return self.pacer.turn(now, rank == _REPLY, first)

    def _choose(self, now: float) -> _Lane | None:
        self._wake(now)
        for rank in range(RANKS):
            open_ = [
                lane
                for first in (False, True)
                if (lane := self._top((rank, first))) is not None
                and self._turn((rank, first), now).at <= now
            ]
            if open_:
                return min(open_, key=lambda lane: lane.jobs[0].key)
        return None
