from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from workers.sandbox import mailbox
from workers.sandbox.accounts import Directory
from workers.sandbox.state import State
from workers.sandbox.wire import Jid, Node


async def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    """Rows survive, in key order, with their last value."""
    state = State(tmp_path / "state.db")
    state.put("kind", "b", b"old")
    state.put("kind", "b", lambda: b"new")
    state.put("kind", "a", b"1")
    state.put("other", "c", b"2")
    await state.flush()
    state.delete("kind", "a")
    state.close()
    with closing(State(tmp_path / "state.db")) as again:
        assert list(again.load("kind")) == [("b", b"new")]


async def test_a_run_that_was_cut_off_is_noticed(tmp_path: Path) -> None:
    """The next run knows that the last changes may be missing."""
    first = State(tmp_path / "state.db")
    assert first.clean
    first.put("kind", "a", b"1")
    await first.flush()
    first._db.close()
    second = State(tmp_path / "state.db")
    assert not second.clean
    second.close()
    third = State(tmp_path / "state.db")
    assert third.clean
    third.close()


async def test_the_file_is_private(tmp_path: Path) -> None:
    """The keys of phones are readable by their owner only."""
    State(tmp_path / "sandbox" / "state.db").close()
    assert (tmp_path / "sandbox" / "state.db").stat().st_mode & 0o077 == 0


async def test_a_failed_write_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a full disk refused is written later, unless it has changed since."""
    state = State(tmp_path / "state.db")
    state.put("kind", "kept", b"1")
    state.put("kind", "changed", b"1")
    write = state._write

    def fail(gone: object, kept: object) -> None:
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(state, "_write", fail)
    with pytest.raises(sqlite3.OperationalError):
        await state.flush()
    state.put("kind", "changed", b"2")
    monkeypatch.setattr(state, "_write", write)
    await state.flush()
    assert list(state.load("kind")) == [("changed", b"2"), ("kept", b"1")]
    state.close()


async def test_changes_from_several_tasks_do_not_collide(tmp_path: Path) -> None:
    """Flushes at the same time wait for each other."""
    state = State(tmp_path / "state.db")

    async def change(number: int) -> None:
        state.put("kind", f"{number:02}", b"x")
        await state.flush()

    await asyncio.gather(*(change(number) for number in range(50)))
    assert len(list(state.load("kind"))) == 50
    state.close()


def stanza(id: str, tag: str = "message") -> Node:
    return Node(tag, {"id": id, "from": Jid("1", "lid")})


async def test_a_mailbox_keeps_what_is_not_confirmed(tmp_path: Path) -> None:
    """Confirmed stanzas are gone, the others come back in order after a restart."""
    state = State(tmp_path / "state.db")
    box = mailbox.Mailbox(state, "ph_1:1")
    for id in ("a", "b", "c"):
        assert box.add(stanza(id))
    box.add(stanza("b", "receipt"))
    assert box.confirm("message", "b") == stanza("b")
    assert box.confirm("message", "b") is None
    state.close()
    with closing(State(tmp_path / "state.db")) as second:
        [(owner, again)] = mailbox.load(second).items()
        assert owner == "ph_1:1"
        assert list(again) == [stanza("a"), stanza("c"), stanza("b", "receipt")]
        again.add(stanza("d"))
        assert list(again)[-1] == stanza("d")


async def test_a_full_mailbox_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its limit a mailbox takes nothing more."""
    monkeypatch.setattr(mailbox, "LIMIT", 1)
    with closing(State(tmp_path / "state.db")) as state:
        box = mailbox.Mailbox(state, "ph_1:1")
        assert box.add(stanza("a"))
        assert not box.add(stanza("b"))


async def test_accounts_are_found_by_every_name(tmp_path: Path) -> None:
    """Number, LID and id lead to one account, with any device, also after a restart."""
    state = State(tmp_path / "state.db")
    made = Directory(state).create("ten_1", "Ana", "999100000001", b"k" * 32)
    state.close()
    with closing(State(tmp_path / "state.db")) as again:
        directory = Directory(again)
        found = directory.by_id(made.id)
        assert found == made
        for text in ("999100000001@s.whatsapp.net", "+999100000001@c.us", f"{made.lid}:3@lid"):
            assert directory.find(Jid.parse(text)) is found
        assert directory.find(Jid.parse(f"{made.lid}@s.whatsapp.net")) is None
        with pytest.raises(ValueError, match="account already"):
            directory.create("ten_2", "Eve", "999100000001", b"k" * 32)
