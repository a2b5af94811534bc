"""The close codes as they are documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from wa_api.http.feed.closes import TABLE, Close

_DOCUMENT = Path(__file__).parents[3] / "docs" / "websocket.md"


@pytest.mark.parametrize("close", TABLE, ids=lambda close: close.reason)
def test_each_code_is_documented_word_by_word(close: Close) -> None:
    """What clients read is what the server does."""
    assert f"| {close.code} | `{close.reason}` | {close.then} |" in _DOCUMENT.read_text()


def test_codes_are_unique_and_legal() -> None:
    """A code means one thing; ours are in the private range (RFC 6455, 7.4.2)."""
    codes = [close.code for close in TABLE]
    assert len(codes) == len(set(codes))
    assert all(1000 <= code < 1015 or 4000 <= code < 5000 for code in codes)
    assert all(len(close.reason.encode()) <= 123 for close in TABLE)
