from __future__ import annotations

import pytest

from workers.sandbox import judge
from workers.sandbox.faults import Fault, Faults
from workers.sandbox.judge import Judge


def arrive(judge: Judge, id: str, *, device: str = "1:1", kind: str = "message") -> str:
    return judge.arrived("ten_1", "ph_1", device, "2@lid", id, kind).kind


def test_a_message_that_arrives_twice_is_a_repeat() -> None:
    """The same id of the same device is counted once as a message, a retry is neither."""
    record = Judge()
    kinds = [arrive(record, "A"), arrive(record, "A"), arrive(record, "A", kind="retry")]
    assert kinds == ["message", "repeat", "retry"]
    assert arrive(record, "A", device="1:2") == "message"
    assert record.figures(None)["repeats"] == 1


def test_two_connections_of_a_device_are_counted() -> None:
    """The overlap names both, and how long the old one had been silent."""
    record = Judge()
    old = record.opened("ten_1", "ph_1", "1:1", "peer")
    new = record.opened("ten_1", "ph_1", "1:1", "peer")
    overlap = record.overlap(old, new)
    assert (overlap.old, overlap.new) == (old.number, new.number)
    assert overlap.old_silent_seconds >= 0
    assert record.figures("ten_1")["double_connections"] == 1
    assert record.figures("ten_2")["double_connections"] == 0


def test_a_page_is_of_one_tenant_and_goes_on_where_the_last_ended() -> None:
    """Entries come in order, filtered, and `after` resumes."""
    record = Judge()
    for id in ("A", "B", "C"):
        arrive(record, id)
    record.arrived("ten_2", "ph_2", "9:1", "2@lid", "X", "message")
    first = record.page(record.arrivals, "ten_1", 0, 2)
    rest = record.page(record.arrivals, "ten_1", first[-1]["number"], 2)
    assert [entry["id"] for entry in first + rest] == ["A", "B", "C"]
    assert record.page(record.arrivals, "ten_1", 0, 9, device="1:9") == []


def test_a_reset_of_a_tenant_leaves_others_and_live_connections() -> None:
    """After it the tenant's messages are forgotten, open connections are not."""
    record = Judge()
    link = record.opened("ten_1", "ph_1", "1:1", "peer")
    arrive(record, "A")
    record.arrived("ten_2", "ph_2", "9:1", "2@lid", "X", "message")
    record.reset("ten_1")
    assert [entry.id for entry in record.arrivals] == ["X"]
    assert list(record.links) == [link]
    assert arrive(record, "A") == "message"


def test_the_log_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest entries go first."""
    monkeypatch.setattr(judge, "LIMIT", 3)
    record = Judge()
    for id in "ABCDE":
        arrive(record, id)
        record.departed("ten_1", "ph_1", "2@lid", id, "text")
    assert [entry.id for entry in record.arrivals] == ["C", "D", "E"]
    record.acknowledged("A", "1:1", "delivered")
    record.acknowledged("E", "1:1", "delivered")
    assert list(record.departures[-1].receipts) == ["1:1 delivered"]


def test_a_fault_of_a_device_goes_before_that_of_its_phone() -> None:
    """Faults end by healing the phone or when their time is over."""
    faults = Faults()
    faults.set("ph_1", Fault(delay=1))
    faults.set("ph_1:2", Fault(silent=True))
    faults.set("ph_2", Fault(delay=1, until=0.0))
    assert faults.find("ph_1", 1) == Fault(delay=1)
    assert faults.find("ph_1", 2) == Fault(silent=True)
    assert faults.find("ph_2", 1) is None
    faults.heal("ph_1")
    assert faults.find("ph_1", 1) is None
    assert faults.find("ph_1", 2) is None
