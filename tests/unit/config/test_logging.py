"""Logs: one line per event, and no secrets in it."""

from __future__ import annotations

import logging
import subprocess
import sys

import orjson

_SCRIPT = """
import logging, structlog
from config.logging import configure
configure("info", "json", role="http")
structlog.get_logger().info("key.made", token="hunter2", session="ses_1")
structlog.get_logger().debug("not.written")
logging.getLogger("library").warning("old\\nstyle %s", 1)
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("it.broke")
"""


def test_json_lines() -> None:
    """Own and foreign records are one JSON object per line, with the process's role, masked."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=30, check=True
    )
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["key.made", "old\nstyle 1", "it.broke"]
    assert all(line["role"] == "http" for line in lines)
    assert lines[0]["session"] == "ses_1"
    assert "hunter2" not in done.stderr
    assert "ZeroDivisionError" in lines[2]["exception"]
    assert done.stdout == ""


def test_importing_changes_nothing() -> None:
    """Logging is set up by `configure`, not by an import."""
    before = list(logging.getLogger().handlers)
    import config.logging  # noqa: F401

    assert logging.getLogger().handlers == before
