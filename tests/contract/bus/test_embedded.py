"""The embedded server: private, durable, alone, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.contract.bus.servers import ask, eventually, quietly
from wa_api.bus.embedded import EmbeddedError, find_server, run_embedded, socket_path

PARENT = """
import asyncio, sys
from pathlib import Path
from wa_api.bus.embedded import run_embedded
async def main():
    async with run_embedded(Path(sys.argv[1])) as server:
        print(server.pid, server.url, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def parent(directory: Path) -> tuple[asyncio.subprocess.Process, int, str]:
    """A process that runs an embedded server: (it, the server's pid, the URL)."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(directory)), stdout=asyncio.subprocess.PIPE
    )
    while "unix://" not in (line := (await process.stdout.readline()).decode()):
        assert line, "it ended"
    pid, url = line.split()
    return process, int(pid), url


async def test_the_server_is_private(tmp_path: Path):
    """Nobody else can reach its socket or read its data, and it has no port."""
    directory = tmp_path / "data"
    async with run_embedded(directory) as server:
        path = socket_path(directory)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert psutil.Process(server.pid).net_connections("inet") == []


async def test_the_server_keeps_its_data(tmp_path: Path):
    """A graceful stop and a kill -9 lose nothing that was written."""
    async with run_embedded(tmp_path) as server:
        await ask(server.url, "SET", "a", "1")
    async with run_embedded(tmp_path) as server:
        assert await ask(server.url, "GET", "a") == b"1"
        await ask(server.url, "SET", "b", "2")
        os.kill(server.pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
    async with run_embedded(tmp_path) as server:
        assert await ask(server.url, "GET", "b") == b"2"
        assert await ask(server.url, "CONFIG", "GET", "maxmemory-policy") == [
            b"maxmemory-policy",
            b"noeviction",
        ]


async def test_a_directory_has_one_user(tmp_path: Path):
    """A second start on the same data is refused with a sentence."""
    async with run_embedded(tmp_path):
        with pytest.raises(EmbeddedError, match="Another process"):
            async with run_embedded(tmp_path):
                pass


async def test_the_server_ends_with_its_block(tmp_path: Path):
    """Also when the block raises."""
    with pytest.raises(ZeroDivisionError):
        async with run_embedded(tmp_path) as server:
            raise ZeroDivisionError
    assert not psutil.pid_exists(server.pid)
    assert server.process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends it at once")
async def test_the_server_dies_with_a_killed_parent(tmp_path: Path):
    """No server is left behind, and the next start works."""
    process, pid, _ = await parent(tmp_path)
    process.kill()
    await process.communicate()
    await eventually(lambda: not _alive(pid))
    async with run_embedded(tmp_path):
        pass


async def test_an_orphan_is_ended_at_the_next_start(tmp_path: Path):
    """Where the system does not end it: the pid file leads to it."""
    path = socket_path(tmp_path)
    command = [str(find_server()), "--port", "0", "--unixsocket", str(path), "--save", ""]
    orphan = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, cwd=tmp_path)
    await eventually(lambda: quietly(f"unix://{path}", "PING"))
    started = psutil.Process(orphan.pid).create_time()
    (tmp_path / "redis.pid").write_text(f"{orphan.pid} {started}\n")
    async with run_embedded(tmp_path) as server:
        assert not _alive(orphan.pid)
        assert await ask(server.url, "PING") == b"PONG"
    await orphan.wait()


async def test_a_stranger_with_the_old_number_is_left_alone(tmp_path: Path):
    """Process ids are reused."""
    stranger = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import time; time.sleep(60)"
    )
    try:
        (tmp_path / "redis.pid").write_text(f"{stranger.pid} 12.5\n")
        async with run_embedded(tmp_path):
            assert _alive(stranger.pid)
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_long_path_is_no_obstacle(tmp_path: Path):
    """Unix sockets have short names; the data stays where it should be."""
    directory = tmp_path / ("x" * 120) / "spaces and ümlauts?"
    async with run_embedded(directory) as server:
        await ask(server.url, "SET", "a", "1")
        assert (directory / "appendonlydir").is_dir()
    path = socket_path(directory)
    assert len(os.fsencode(path)) <= 100
    path.parent.rmdir()


async def test_a_foreign_socket_directory_is_refused(tmp_path: Path, monkeypatch):
    """A directory in /tmp that others can write to is not trusted."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    directory = tmp_path / ("x" * 120)
    path = socket_path(directory)
    path.parent.chmod(0o777)
    with pytest.raises(EmbeddedError, match="not ours alone"):
        socket_path(directory)


async def test_a_server_that_cannot_start_says_so(tmp_path: Path):
    """With where to look."""
    (tmp_path / "appendonlydir").write_text("in the way")
    with pytest.raises(EmbeddedError, match=r"redis\.log"):
        async with run_embedded(tmp_path):
            pass


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
