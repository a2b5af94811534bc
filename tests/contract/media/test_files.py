"""What is kept can be read again, whole or in part, by its hash, and by its tenant only."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from wa_api.domain.errors import MediaNotFound, Unavailable
from wa_api.media.drafts import Drafts
from wa_api.media.files import Files, Key, LocalFiles
from wa_api.media.s3 import S3Files, S3Options

CONTENT = bytes(range(256)) * 4096  # 1 MiB


async def keep(
    files: Files, drafts: Drafts, content: bytes = CONTENT, tenant: str = "ten_a"
) -> Key:
    """Put some bytes into the store."""
    async with drafts.new(len(content)) as draft:
        await draft.write(content)
        await draft.finish()
        key = Key(tenant, draft.sha256)
        await files.put(key, draft.path)
    return key


async def read(files: Files, key: Key, start: int = 0, end: int = len(CONTENT)) -> bytes:
    """Read a part."""
    return b"".join([piece async for piece in files.read(key, start, end)])


async def test_what_is_kept_is_read_again(files: Files, drafts: Drafts, tmp_path: Path) -> None:
    """Whole, in part, and as a local file; nothing else is left."""
    key = await keep(files, drafts)
    assert await files.has(key)
    assert await read(files, key) == CONTENT
    assert await read(files, key, 1000, 300_000) == CONTENT[1000:300_000]
    assert await read(files, key, 5, 5) == b""
    async with files.local(key) as path:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == key.sha256
    assert list((tmp_path / "media" / "drafts").iterdir()) == []


async def test_a_large_file_goes_in_parts(files: Files, drafts: Drafts) -> None:
    """More than one part of an S3 upload."""
    large = CONTENT * 13
    key = await keep(files, drafts, large)
    assert await read(files, key, len(large) - 10, len(large)) == large[-10:]
    assert hashlib.sha256(await read(files, key, 0, len(large))).hexdigest() == key.sha256


async def test_the_same_file_twice_is_one(files: Files, drafts: Drafts) -> None:
    """And counts as new again."""
    before = time.time()
    assert await keep(files, drafts) == await keep(files, drafts)
    kept = [one async for one in files.kept()]
    assert len(kept) == 1
    assert before - 2 <= kept[0].modified <= time.time() + 2


async def test_tenants_do_not_share_files(files: Files, drafts: Drafts) -> None:
    """One tenant's file says nothing about another's, also when it is removed."""
    mine = await keep(files, drafts)
    theirs = Key("ten_b", mine.sha256)
    assert not await files.has(theirs)
    await keep(files, drafts, tenant="ten_b")
    await files.delete(mine)
    assert (await files.has(mine), await files.has(theirs)) == (False, True)


async def test_what_is_not_there_says_so(files: Files) -> None:
    """Reading raises, removing does not."""
    key = Key("ten_a", "0" * 64)
    with pytest.raises(MediaNotFound):
        await read(files, key, 0, 10)
    with pytest.raises(MediaNotFound):
        async with files.local(key):
            pass
    await files.delete(key)
    assert [one async for one in files.kept()] == []


@pytest.mark.parametrize("parts", [("ten_a", "../x"), ("../a", "0" * 64), ("", "0" * 64)])
def test_a_key_is_no_path(parts: tuple[str, str]) -> None:
    """What is not a hash and a tenant's id never becomes a file's name."""
    with pytest.raises(ValueError, match="key"):
        Key(*parts)


async def test_files_in_a_directory_are_for_us_alone(tmp_path: Path) -> None:
    """Mode 0600 in folders of mode 0700."""
    key = await keep(LocalFiles(tmp_path / "media"), Drafts(tmp_path / "media" / "drafts"))
    path = tmp_path / "media" / key.path
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_store_that_is_away_is_unavailable(drafts: Drafts) -> None:
    """In bounded time."""
    options = S3Options(
        bucket="b",
        endpoint="http://127.0.0.1:9",
        access_key_id="k",
        secret_access_key="s",
        seconds=2,
    )
    files = S3Files(options, drafts)
    with pytest.raises(Unavailable):
        await files.has(Key("ten_a", "0" * 64))
