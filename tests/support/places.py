"""Directories for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_place() -> Iterator[Path]:
    """One for data, with a short path: Unix sockets live in it."""
    with tempfile.TemporaryDirectory(prefix="wa-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)
