"""What comes in is measured and hashed on its way to the disk, and gone unless it is kept."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from wa_api.domain.errors import MediaTooLarge
from wa_api.media.drafts import STALE, Drafts


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def test_a_draft_knows_its_hash_and_is_for_us_alone(tmp_path: Path) -> None:
    """Mode 0600, also while it is written."""
    async with Drafts(tmp_path / "drafts").new(100) as draft:
        await draft.write(b"hel")
        await draft.write(b"lo")
        await draft.finish()
        assert (draft.sha256, draft.size) == (hashlib.sha256(b"hello").hexdigest(), 5)
        assert draft.path.read_bytes() == b"hello"
        assert draft.path.stat().st_mode & 0o777 == 0o600
        assert draft.path.parent.stat().st_mode & 0o777 == 0o700


async def test_what_is_too_large_is_cut_off_and_removed(tmp_path: Path) -> None:
    """At the first byte too many."""
    with pytest.raises(MediaTooLarge):
        async with Drafts(tmp_path).new(4) as draft:
            await draft.write(b"12345")
    assert names(tmp_path) == []


async def test_what_a_killed_process_left_is_swept_up(tmp_path: Path) -> None:
    """After an hour; what is being written stays."""
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    for path in (old, fresh):
        path.write_bytes(b"x")
    os.utime(old, (0, time.time() - STALE - 1))
    assert Drafts(tmp_path).sweep() == 1
    assert names(tmp_path) == ["fresh"]
    assert Drafts(tmp_path / "none").sweep() == 0
