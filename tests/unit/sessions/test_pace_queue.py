"""Which message goes next."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tests.unit.sessions.fakes import FAST
from wa_api.domain.ids import MessageId
from wa_api.domain.pacing import Pacing, Priority
from wa_api.store.rows import Acquaintance, QueueRow
from workers.sessions.pace_queue import Job, Queue
from workers.sessions.pacer import NEVER, Pacer

NOW = 86_400_000.0


def queue(policy: Pacing | None = None, **kept: Any) -> Queue:
    """An empty queue whose bucket is full."""
    return Queue(Pacer(QueueRow(policy=policy, **kept), NOW - 3600))


def job(id: str, chat: str = "a", at: float = 0.0, **more: Any) -> Job:
    """A message that waits for ever."""
    return Job(MessageId(id), chat, at, more.pop("deadline", NEVER), **more)


def fill(one: Queue, *jobs: Job) -> None:
    """Put them in; their chats are known."""
    for each in jobs:
        one.put(each, NOW)
    one.learn({chat: Acquaintance(met=True) for chat in one.strangers()}, NOW)


def begin(one: Queue) -> Job:
    """The message whose turn it is."""
    taken = one.next(NOW)
    assert taken is not None
    return taken


def drain(one: Queue, now: float = NOW) -> list[str]:
    """Send whatever may go now, one after the other."""
    went = []
    while (each := one.next(now)) is not None:
        went.append(each.id)
        one.done(each, now, went=True)
    return went


def test_a_chat_keeps_its_order_however_it_came_in() -> None:
    """A row that was found late goes where it belongs."""
    one = queue()
    fill(one, job("2", at=2), job("3", at=3), job("1", at=1))
    assert drain(one) == ["1", "2", "3"]


def test_chats_take_turns_by_waiting_time() -> None:
    """Whoever waits longest is next."""
    one = queue()
    fill(one, job("b1", "b", 1), job("a1", "a", 2), job("b2", "b", 3), job("a2", "a", 4))
    assert drain(one) == ["b1", "a1", "b2", "a2"]


def test_one_message_of_a_chat_at_a_time() -> None:
    """The second waits for the first."""
    one = queue()
    fill(one, job("1"), job("2"))
    first = begin(one)
    assert one.next(NOW) is None
    one.done(first, NOW, went=True)
    assert drain(one) == ["2"]


def test_urgent_chats_go_first() -> None:
    """Replies, then the rest, then campaigns."""
    one = queue()
    fill(
        one,
        job("c", "c", 1, priority=Priority.CAMPAIGN),
        job("n", "n", 2),
        job("r", "r", 3, priority=Priority.REPLY),
    )
    assert drain(one) == ["r", "n", "c"]


def test_a_reply_takes_its_chats_campaign_along() -> None:
    """Order within a chat is kept, and the reply does not wait for all campaigns."""
    one = queue()
    fill(
        one,
        job("other", "b", 0, priority=Priority.CAMPAIGN),
        job("1", "a", 1, priority=Priority.CAMPAIGN),
        job("2", "a", 2, priority=Priority.REPLY),
    )
    assert drain(one) == ["1", "2", "other"]


def test_who_wrote_recently_gets_a_reply() -> None:
    """A chat that wrote while its message waits moves to the front."""
    one = queue(FAST)
    fill(one, job("a", "a", 1), job("b", "b", 2))
    one.hear("b", NOW)
    assert drain(one) == ["b", "a"]


def test_who_wrote_long_ago_does_not() -> None:
    """`reply_hours` after its last message a chat is like others."""
    one = queue(FAST)
    one.put(job("a", "a", 1), NOW)
    one.put(job("b", "b", 2), NOW)
    one.learn({"a": Acquaintance(True), "b": Acquaintance(True, NOW - 25 * 3600)}, NOW)
    assert drain(one) == ["a", "b"]


def test_a_stranger_waits_until_it_was_looked_up() -> None:
    """Where a policy cares; then its first message is a first contact and its second is not."""
    one = queue(FAST)
    one.put(job("1"), NOW)
    one.put(job("2"), NOW)
    assert one.next(NOW) is None
    assert one.strangers() == ["a"]
    one.learn({"a": Acquaintance(met=False)}, NOW)
    first = begin(one)
    assert first.first
    one.done(first, NOW, went=True)
    second = begin(one)
    assert not second.first


def test_a_chat_rests_between_two_messages() -> None:
    """Others are written to meanwhile."""
    policy = Pacing(**{**_fields(FAST), "chat_gap": 10})
    one = queue(policy)
    fill(one, job("a1", "a", 1), job("a2", "a", 2), job("b1", "b", 3))
    assert drain(one) == ["a1", "b1"]
    assert one.outlook(NOW) == (NOW + 10, "chat_gap")
    assert drain(one, NOW + 10) == ["a2"]


def _fields(policy: Pacing) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in policy.__struct_fields__}


def test_a_restriction_lets_known_chats_through() -> None:
    """First contacts wait for its end; so does a chat that WhatsApp itself takes for one."""
    one = queue(restricted_until=NOW + 60)
    one.put(job("new", "new", 1), NOW)
    one.put(job("known", "known", 2), NOW)
    one.put(job("cold", "cold", 3), NOW)
    one.learn({c: Acquaintance(met=c != "new") for c in ("new", "known", "cold")}, NOW)
    known = begin(one)
    one.done(known, NOW, went=True)
    cold = begin(one)
    one.again(cold, NOW, 0.0, cold=True)
    assert one.next(NOW) is None
    assert one.outlook(NOW) == (NOW + 60, "restricted")
    assert drain(one, NOW + 60) == ["new", "cold"]


def test_a_message_that_did_not_go_out_is_next_in_its_chat() -> None:
    """After a pause."""
    one = queue()
    fill(one, job("1"), job("2"))
    first = begin(one)
    one.again(first, NOW, 1.0)
    assert one.next(NOW) is None
    assert drain(one, NOW + 1) == ["1", "2"]


def test_deadlines_are_told_and_kept() -> None:
    """What is over is taken out, wherever it stands."""
    one = queue(paused_at=1.0)
    fill(one, job("1"), job("2", deadline=NOW + 5), job("3", deadline=NOW + 9))
    assert one.wakes(NOW, ready=True) == NOW + 5
    assert [each.id for each in one.expired(NOW + 6)] == ["2"]
    assert len(one) == 2


def test_a_place_can_be_told() -> None:
    """How many are before it, and what it waits for."""
    one = queue(paused_at=1.0)
    fill(one, job("1", "a", 1), job("2", "b", 2), job("3", "c", 3, priority=Priority.REPLY))
    assert one.turn_of(MessageId("2"), NOW) == (2, (NEVER, "paused"))
    assert one.turn_of(MessageId("4"), NOW) is None


@pytest.mark.parametrize("count", [2000])
def test_memory_of_what_is_over_is_given_back(count: int) -> None:
    """Deadlines of messages that went out do not pile up until they pass."""
    one = queue()
    for n in range(count):
        fill(one, job(str(n), str(n % 7), n, deadline=NOW + 3600))
        drain(one)
        one.expired(NOW)
    assert len(one._deadlines) <= 2 * len(one) + 64 + 1
    assert not one._lanes


class Anything(RuleBasedStateMachine):
    """However it is used: nothing is lost or doubled, and chats keep their order."""

    under_way = Bundle("under_way")

    def __init__(self) -> None:
        super().__init__()
        self.now, self.count = NOW, 0
        self.queue = queue(Pacing(**{**_fields(FAST), "chat_gap": 2}))
        self.waiting: dict[str, list[str]] = defaultdict(list)
        self.busy: set[str] = set()

    @rule(
        chat=st.sampled_from("abc"),
        priority=st.sampled_from([None, *Priority]),
        seconds=st.one_of(st.none(), st.integers(1, 20)),
    )
    def put(self, chat: str, priority: Priority | None, seconds: int | None) -> None:
        """One more waits."""
        self.count += 1
        id = f"{self.count:06}"
        deadline = NEVER if seconds is None else self.now + seconds
        given = job(id, chat, float(self.count), priority=priority, deadline=deadline)
        self.queue.put(given, self.now)
        self.waiting[chat].append(id)

    @rule(met=st.booleans())
    def learn(self, met: bool) -> None:
        """Look strangers up."""
        known = {chat: Acquaintance(met) for chat in self.queue.strangers()}
        self.queue.learn(known, self.now)

    @rule(target=under_way)
    def next(self) -> Job | None:
        """Begin what may begin."""
        taken = self.queue.next(self.now)
        if taken is not None:
            assert taken.chat not in self.busy
            assert self.waiting[taken.chat].pop(0) == taken.id
            self.busy.add(taken.chat)
        return taken

    @rule(job=consumes(under_way), went=st.booleans())
    def done(self, job: Job | None, went: bool) -> None:
        """It went out, or failed."""
        if job is not None:
            self.busy.discard(job.chat)
            self.queue.done(job, self.now, went)

    @rule(job=consumes(under_way), cold=st.booleans())
    def again(self, job: Job | None, cold: bool) -> None:
        """It must be tried again."""
        if job is not None:
            self.busy.discard(job.chat)
            self.waiting[job.chat].insert(0, job.id)
            self.queue.again(job, self.now, 0.2, cold)

    @rule(chat=st.sampled_from("abc"))
    def hear(self, chat: str) -> None:
        """A chat writes."""
        self.queue.hear(chat, self.now)

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """A message is taken back."""
        ids = [id for ids in self.waiting.values() for id in ids]
        if ids:
            id = data.draw(st.sampled_from(ids))
            assert self.queue.drop(MessageId(id), self.now) is not None
            self._forget(id)

    @rule(seconds=st.floats(0.1, 10))
    def pass_time(self, seconds: float) -> None:
        """Deadlines pass."""
        self.now += seconds
        for over in self.queue.expired(self.now):
            self._forget(over.id)

    @rule(
        policy=st.sampled_from([None, FAST]),
        paused=st.booleans(),
    )
    def change(self, policy: Pacing | None, paused: bool) -> None:
        """A user changes the policy."""
        state = QueueRow(policy=policy, paused_at=1.0 if paused else None)
        self.queue.pacer.adopt(state, self.now)
        self.queue.refile(self.now)

    def _forget(self, id: str) -> None:
        for ids in self.waiting.values():
            if id in ids:
                ids.remove(id)

    @invariant()
    def nothing_is_lost(self) -> None:
        """What waits here waits there."""
        assert self.queue.ids() == {id for ids in self.waiting.values() for id in ids}

    def teardown(self) -> None:
        """Everything that is left can still go out."""
        self.queue.pacer.adopt(QueueRow(policy=None), self.now)
        self.queue.refile(self.now)
        if not self.busy:
            self.queue.learn({c: Acquaintance(True) for c in self.queue.strangers()}, self.now)
            assert len(drain(self.queue, self.now + 100)) == sum(map(len, self.waiting.values()))


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=150, stateful_step_count=40)
