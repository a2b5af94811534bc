"""A migrated SQLite file for gateways to start with: migrating takes longer than the rest of a start."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

FILE = "wa-api.sqlite3"  #: where `wa-api` keeps it in its data directory


class _Template:
    """Made once per process, gone with it."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="wa-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.file = folder / FILE
        # In a process of its own, since one process opens one store at a time.
        script = (
            "import asyncio, sys\nfrom wa_api.store.open import migrate\n"
            "asyncio.run(migrate(sys.argv[1]))"
        )
        command = [sys.executable, "-c", script, f"sqlite://{self.file}"]
        subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)


_template = functools.cache(_Template)


def put_migrated(data: Path) -> None:
    """Put one into a data directory that has none."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (data / FILE).exists():
        shutil.copy(_template().file, data / FILE)
