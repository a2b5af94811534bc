"""The console's texts: each in every language, and none missing."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

CONSOLE = Path(__file__).parents[3] / "wa_api/http/console"
_ENTRY = re.compile(r'^  "?([\w.:\-]+)"?: (\[".*"\]),$', re.MULTILINE)
_USED = re.compile(r'\bt\("([\w.:\-]+)"')
_FAMILY = re.compile(r"\bt(?:\.maybe)?\(`([\w.\-]+)\.\$")

WORDS: dict[str, list[str]] = {
    key: orjson.loads(texts)
    for key, texts in _ENTRY.findall((CONSOLE / "words.js").read_text("utf-8"))
}


def test_the_table_is_read() -> None:
    """Every line of it: the tests below miss none."""
    table = (CONSOLE / "words.js").read_text("utf-8").split("const WORDS = {\n")[1].split("\n};")[0]
    assert len(WORDS) == sum(": [" in line for line in table.splitlines())


@pytest.mark.parametrize("key", WORDS)
def test_a_text_is_there_in_english_portuguese_and_spanish(key: str) -> None:
    """With the same things filled in."""
    texts = WORDS[key]
    assert len(texts) == 3
    assert all(text.strip() for text in texts)
    filled = [sorted(re.findall(r"\{\w+\}", text)) for text in texts]
    assert filled[0] == filled[1] == filled[2]


@pytest.mark.parametrize("script", sorted(CONSOLE.glob("*.js")), ids=lambda one: one.name)
def test_every_text_that_is_used_is_there(script: Path) -> None:
    """By its full name, or as one of a family."""
    source = script.read_text("utf-8")
    assert [key for key in _USED.findall(source) if key not in WORDS] == []
    families = {key.rpartition(".")[0] for key in WORDS} | {key.partition(".")[0] for key in WORDS}
    assert [name for name in _FAMILY.findall(source) if name not in families] == []
