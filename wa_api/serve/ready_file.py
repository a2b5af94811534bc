"""`serve.json` in the data directory: what other programs on this machine need to know of us."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

NAME = "serve.json"


def write(data: Path, facts: dict[str, Any]) -> Path:
    """Write it whole or not at all, readable by this user only."""
    draft = data / f".{NAME}.{os.getpid()}"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    draft.replace(data / NAME)
    return data / NAME


def read(data: Path) -> dict[str, Any] | None:
    """What a running gateway wrote; None when none runs."""
    try:
        facts: dict[str, Any] = orjson.loads((data / NAME).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return facts


def remove(data: Path) -> None:
    """Say that we are gone."""
    (data / NAME).unlink(missing_ok=True)
