"""What a process must be like to run engines."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

import pytest
import structlog

from workers.engine.capture import last_words, report_dead

CHECK = """
import os, sys
from pathlib import Path
os.environ["GOMAXPROCS"] = "1"
os.environ["SSL_CERT_FILE"] = "/ca.pem"
from workers.engine.neonize import check_process
from workers.engine.port import EngineUnusable
try:
    check_process(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    print("fit")
except EngineUnusable as error:
    print(error)
"""

BARE = """
import sys
sys.modules["magic"] = None  # as on a machine without libmagic: importing it raises ImportError
import logging
from workers.engine import factory
import magic
try:
    magic.from_buffer(b"x", mime=True)
except RuntimeError as error:
    print(error)
print(logging.getLogger().handlers, logging.getLogger().level)
"""

CAPTURE = """
import os, sys
from pathlib import Path
import structlog
from workers.engine.capture import OutputCapture, last_words
file = Path(sys.argv[1])
capture = OutputCapture(file)
structlog.configure(logger_factory=structlog.PrintLoggerFactory(capture.terminal))
os.write(1, b"noise on one\\n")
os.write(2, b"noise on two\\n")
print("said by python")
if sys.argv[2] == "die":
    os.write(2, b"fatal error: concurrent map writes\\n")
    os.abort()
capture.close()
os.write(2, b"after\\n")
print(repr(last_words(file)))
"""


def run(code, *args, check=True, **env):
    """Run Python code in a process of its own, with nothing but `env` in its environment."""
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd(), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=check,
    )


@pytest.mark.parametrize(
    ("env", "args", "says"),
    [
        ({}, (), "GOMAXPROCS=1"),
        ({"GOMAXPROCS": "2"}, (), "GOMAXPROCS=1"),
        ({"GOMAXPROCS": "1"}, (), "fit"),
        ({"GOMAXPROCS": "1"}, ("/ca.pem",), "SSL_CERT_FILE=/ca.pem"),
        ({"GOMAXPROCS": "1", "SSL_CERT_FILE": "/other.pem"}, ("/ca.pem",), "SSL_CERT_FILE=/ca.pem"),
        ({"GOMAXPROCS": "1", "SSL_CERT_FILE": "/ca.pem"}, ("/ca.pem",), "fit"),
    ],
)
def test_the_environment_must_be_there_from_the_start(env, args, says):
    """Go reads its environment when the process starts: setting it later does not count."""
    assert says in run(CHECK, *args, **env).stdout


def test_a_machine_without_libmagic_can_run_engines():
    """The import works, says what is missing when it is used, and leaves logging as it was."""
    said = run(BARE, GOMAXPROCS="1").stdout
    assert "Install libmagic" in said
    assert said.endswith("[] 30\n")


def test_what_the_library_prints_becomes_log_lines(tmp_path):
    """Both descriptors are captured; Python's own output and, in the end, all output is not."""
    done = run(CAPTURE, str(tmp_path / "out"), "live")
    assert done.stdout == "''\n"
    lines = done.stderr.splitlines()
    assert "said by python" in lines
    assert "after" in lines
    assert [("engine.library_output" in line) for line in lines if "noise" in line] == [True, True]
    assert list(tmp_path.iterdir()) == []


def test_the_next_process_reports_the_dead_and_not_the_living(tmp_path):
    """What a dead process printed is logged once; a living one keeps its file."""
    (tmp_path / "dead.out").write_bytes(b"noise\npanic: nil map\n")
    living = (tmp_path / "living.out").open("wb")
    fcntl.flock(living, fcntl.LOCK_EX)
    with structlog.testing.capture_logs() as logs:
        report_dead(tmp_path)
        report_dead(tmp_path)
    living.close()
    assert [(line["process"], line["words"]) for line in logs] == [("dead", "panic: nil map\n")]
    assert [file.name for file in tmp_path.iterdir()] == ["living.out"]


def test_an_aborted_process_leaves_its_last_words(tmp_path):
    """After an abort the supervisor can read why."""
    file = tmp_path / "out"
    assert run(CAPTURE, str(file), "die", check=False).returncode != 0
    assert last_words(file) == "fatal error: concurrent map writes\n"
    assert last_words(file, limit=5) == "fatal"
    assert file.stat().st_mode & 0o777 == 0o600
    assert last_words(tmp_path / "none") == ""
