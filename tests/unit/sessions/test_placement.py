"""Sessions go where there is room, and move only as far as fairness asks."""

from __future__ import annotations

from tests.unit.sessions.fakes import ME, SESSION, worker
from wa_api.domain.ids import SessionId, WorkerId
from workers.sessions.placement import patience, peers, successor, surplus

A, B = WorkerId("wrk_a"), WorkerId("wrk_b")


def test_only_ready_workers_of_the_same_network_with_room_are_peers():
    """Ourselves, other roles, other networks, leavers and full ones are not."""
    workers = [
        worker("wrk_a"),
        worker(ME),
        worker("wrk_c", state="draining"),
        worker("wrk_d", network="whatsapp"),
        worker("wrk_e", role="http"),
        worker("wrk_f", 100),
    ]
    assert [each.worker for each in peers(workers, ME, "sandbox")] == [A]


def test_nobody_waits_when_alone():
    """A worker without peers takes everything at once."""
    assert patience(SESSION, ME, 50, []) == 0


def test_the_busier_worker_waits_longer_but_not_for_ever():
    """A preference is bounded, since the others may be dying."""
    short, long = (patience(SESSION, ME, load, [worker("wrk_a")]) for load in (20, 5000))
    assert 0 < short < long <= 1


def test_equals_share_a_burst_without_asking_each_other():
    """Of two workers with the same load exactly one takes a session at once."""
    sessions = [SessionId(f"ses_{number}") for number in range(400)]
    mine = [each for each in sessions if patience(each, A, 0, [worker("wrk_b")]) == 0]
    theirs = [each for each in sessions if patience(each, B, 0, [worker("wrk_a")]) == 0]
    assert sorted(mine + theirs) == sorted(sessions)
    assert 120 < len(mine) < 280


def test_the_least_loaded_is_the_successor_counting_what_it_was_given():
    """What a worker was given since its last beat counts."""
    others = [worker("wrk_a", 3), worker("wrk_b", 4)]
    assert successor(others, {}) == A
    assert successor(others, {A: 2}) == B
    assert successor([], {}) is None


def test_a_joining_worker_gets_its_share_and_no_more():
    """Whoever gives stops at the mean, however many give at once."""
    mine, theirs, joiner = 10, 10, 0
    for _ in range(30):
        others = [worker("wrk_a", theirs), worker("wrk_b", joiner)]
        if surplus(mine, others, {}) == B:
            mine, joiner = mine - 1, joiner + 1
        if surplus(theirs, [worker(ME, mine), worker("wrk_b", joiner)], {}) == B:
            theirs, joiner = theirs - 1, joiner + 1
    assert sorted((mine, theirs, joiner)) == [6, 7, 7]


def test_a_difference_of_one_moves_nothing():
    """Each move is a reconnect: it must gain something."""
    assert surplus(5, [worker("wrk_a", 4)], {}) is None
    assert surplus(6, [worker("wrk_a", 4)], {}) == A
