"""What the library prints, kept out of the process's own output.

The library's Go side writes to descriptors 1 and 2 directly. They are pointed at a file that a
thread turns into log lines at debug level. A file and not a pipe: a writer never waits for it,
and the last words of an aborted process (Go's reason and stack) survive it for the supervisor.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import sys
import threading
from pathlib import Path
from typing import TextIO

import structlog

log = structlog.get_logger()

#: The file is emptied when everything was read and it is larger than this.
MAX_BYTES = 1 << 20
_INTERVAL = 0.5
_LINE = 2000
_FATAL = re.compile(rb"^(fatal error|panic|SIG[A-Z]+|unexpected fault)", re.MULTILINE)


class OutputCapture:
    """Points descriptors 1 and 2 at a file (mode 0600) until `close`.

    `terminal` is the original standard error: logging is to write there. `sys.stdout` and
    `sys.stderr` write there too, so that only the library is captured.
    """

    def __init__(self, file: Path) -> None:
        """Begin capturing into `file`, which is made anew."""
        file.unlink(missing_ok=True)
        self._file = file
        self._saved = os.dup(1), os.dup(2)
        self.terminal: TextIO = io.TextIOWrapper(
            os.fdopen(os.dup(2), "wb", 0), write_through=True, errors="backslashreplace"
        )
        self._streams = sys.stdout, sys.stderr
        for stream in self._streams:
            stream.flush()
        into = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        fcntl.flock(into, fcntl.LOCK_EX)  # held by descriptors 1 and 2 until the process ends
        os.dup2(into, 1)
        os.dup2(into, 2)
        os.close(into)
        sys.stdout = sys.stderr = self.terminal
        self._reader = file.open("rb")
        self._ended = threading.Event()
        self._pump = threading.Thread(target=self._run, name="engine-output", daemon=True)
        self._pump.start()

    def close(self) -> None:
        """Log the rest, give the descriptors back, delete the file (there were no last words)."""
        self._ended.set()
        self._pump.join(timeout=2 * _INTERVAL)
        sys.stdout, sys.stderr = self._streams
        for descriptor, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)
        self._read()
        self._reader.close()
        self._file.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL):
            self._read()

    def _read(self) -> None:
        for line in self._reader:
            text = line[:_LINE].decode(errors="replace").rstrip()
            if text:
                log.debug("engine.library_output", line=text)
        # Between the read and the truncation a line can be lost: it is debugging output.
        if self._reader.tell() > MAX_BYTES:
            os.truncate(self._file, 0)
            self._reader.seek(0)


def report_dead(folder: Path) -> None:
    """Log what processes printed last that captured into `folder` and died, and tidy up.

    Go's reason for an abort (`fatal error: …`, and where) is among it.
    """
    for file in folder.glob("*.out"):
        with contextlib.suppress(OSError), file.open("rb") as found:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its process lives
            log.error("engine.process_died", process=file.stem, words=last_words(file))
            file.unlink()


def last_words(file: Path, limit: int = 4000) -> str:
    """What a process that is gone printed: how it began to fail, or at most `limit` bytes.

    "" when it ended well.
    """
    try:
        said = file.read_bytes()
    except FileNotFoundError:
        return ""
    fatal = _FATAL.search(said)
    start = fatal.start() if fatal else max(0, len(said) - limit)
    return said[start : start + limit].decode(errors="replace")
