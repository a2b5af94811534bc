"""Device stores: who may read them, and what the library is told."""

from __future__ import annotations

import stat
from urllib.parse import parse_qs, urlsplit

import pytest

from workers.engine.stores import (
    FileStores,
    PostgresStores,
    open_stores,
    postgres_address,
    sqlite_address,
)

POSTGRES = "postgresql://nowhere/none"


def mode(path):
    """The permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


async def test_files_are_closed_to_others(tmp_path):
    """Directory and file are private, even when the directory was open before."""
    folder = tmp_path / "devices"
    folder.mkdir(mode=0o755)
    await FileStores(folder).prepare("ses_1")
    assert (mode(folder), mode(folder / "ses_1.db")) == (0o700, 0o600)


async def test_forgotten_stores_leave_nothing(tmp_path):
    """Forgetting removes the journals too, keeps the others', and may be repeated."""
    stores = FileStores(tmp_path)
    for session in ("ses_1", "ses_2"):
        await stores.prepare(session)
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"ses_1.db{suffix}").touch()
    await stores.forget("ses_1")
    await stores.forget("ses_1")
    assert [file.name for file in tmp_path.iterdir()] == ["ses_2.db"]


@pytest.mark.parametrize("session", ["../etc", "a/b", "a b", "", "x" * 58, 'a"b'])
async def test_odd_session_ids_are_refused(tmp_path, session):
    """A session's id cannot name another place."""
    with pytest.raises(ValueError, match="letters"):
        await FileStores(tmp_path).prepare(session)
    with pytest.raises(ValueError, match="letters"):
        await PostgresStores(POSTGRES).prepare(session)


def test_sqlite_options_survive_the_librarys_suffix(tmp_path):
    """What the library appends ends up in an option without meaning."""
    opened = f"file:{sqlite_address(tmp_path / 'a b.db')}?_foreign_keys=on"
    path, _, query = opened.partition("?")
    assert path.endswith("/a%20b.db")
    options = dict(part.split("=", 1) for part in query.split("&"))
    assert options["_journal_mode"] == "WAL"
    assert options["_"] == "?_foreign_keys=on"


def test_postgres_address_keeps_what_the_url_said():
    """Options of the URL stay; the schema and the idle limit are added."""
    url = "postgresql://u:p%40@db:6432/wa?sslmode=verify-full&application_name=x"
    made = urlsplit(postgres_address(url, "device_a", 30))
    assert (made.scheme, made.netloc, made.path) == ("postgres", "u:p%40@db:6432", "/wa")
    assert parse_qs(made.query) == {
        "sslmode": ["verify-full"],
        "application_name": ["x"],
        "search_path": ["device_a"],
        "idle_session_timeout": ["30s"],
    }


async def test_the_gateways_database_decides_where_stores_are(tmp_path):
    """PostgreSQL serves every host; with SQLite, files beside it."""
    for scheme in ("postgres", "postgresql", "asyncpg"):
        url = f"{scheme}://u@127.0.0.1:1/d"
        async with open_stores(url, tmp_path / "x") as stores:
            assert isinstance(stores, PostgresStores)
    assert not (tmp_path / "x").exists()
    async with open_stores("sqlite:///x.db", tmp_path / "x") as stores:
        assert isinstance(stores, FileStores)
