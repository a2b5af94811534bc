"""What a wrong setting, a taken port or a missing server says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


def run(place: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `wa-api` with only these settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("WA_")}
    return subprocess.run(
        [sys.executable, "-m", "wa_api", *arguments],
        env={**env, "WA_DATA_DIR": str(place / "data"), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def last_line(output: str) -> str:
    """What is said at the end."""
    return output.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WA_HTTP_PORT", "eighty"),
        ("WA_HTTP_PROT", "80"),
        ("WA_HTTP_HOST", "no.such.host.invalid"),
        ("WA_REDIS_URL", "http://127.0.0.1"),
        ("WA_REDIS_URL", "redis+sentinel://127.0.0.1"),
        ("WA_DATABASE_URL", "mysql://127.0.0.1/x"),
        ("WA_AUTH_JWT_SECRET", "short"),
        ("WA_DATA_DIR", "/proc/nowhere"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(
    place: Path, name: str, value: str
) -> None:
    """Exit code 2, the setting's name, no traceback, and nothing left behind."""
    done = (
        run(place, "serve", "--port", "0", **{name: value})
        if name != "WA_HTTP_PORT"
        else run(place, "serve", WA_HTTP_PORT=value)
    )
    assert done.returncode == 2, done.stderr
    assert last_line(done.stderr).startswith(f"wa-api: {name}: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_taken_port_is_said(place: Path) -> None:
    """The port's setting, and how to get a free one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(place, "serve", WA_HTTP_PORT=str(port))
    assert done.returncode == 2
    assert f"WA_HTTP_PORT: {port} is in use already" in done.stderr


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("WA_REDIS_URL", "redis://127.0.0.1:1"),
        ("WA_DATABASE_URL", "postgres://nobody:hunter2@127.0.0.1:1/none"),
    ],
)
def test_a_server_that_is_not_there_is_said(place: Path, name: str, url: str) -> None:
    """Exit code 1, the setting's name, never its password."""
    done = run(place, "serve", "--port", "0", **{name: url})
    assert done.returncode == 1, done.stderr
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_a_role_on_its_own_needs_servers_of_its_own(place: Path) -> None:
    """Processes on several machines cannot meet in one machine's embedded defaults."""
    done = run(place, "serve", "--role", "http")
    assert done.returncode == 2
    assert "WA_REDIS_URL: must be set" in done.stderr


def test_the_settings_reference_is_printed(place: Path) -> None:
    """`wa-api settings` is docs/settings.md."""
    done = run(place, "settings")
    assert done.returncode == 0
    assert "| `WA_SESSIONS_LEASE_SECONDS` |" in done.stdout


def test_the_supervisor_loads_neither_sanic_nor_the_engine() -> None:
    """Nor the database's libraries: what supervises everything has little that can break."""
    code = (
        "import sys, wa_api.cli, wa_api.serve.gateway; "
        "print(*{'sanic', 'neonize', 'tortoise', 'asyncpg'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""
