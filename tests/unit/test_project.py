"""The project's own files: locks, documents, and what must not be in them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_are_exact_hashed_and_name_no_registry(name: str) -> None:
    """Every requirement has one version and hashes; where it comes from is the installer's."""
    text = (REPOSITORY / name).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    blocks = re.split(r"\n(?=\S)", text.strip())
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,]+\])?==[^ ]+", block), block.splitlines()[0]
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_what_runs_is_tested_as_it_is_locked() -> None:
    """Both lock files agree on every version."""
    pinned = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)
    used = set(pinned.findall((REPOSITORY / "requirements.lock").read_text()))
    tested = set(pinned.findall((REPOSITORY / "requirements-dev.lock").read_text()))
    assert used <= tested


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link in Markdown names a file that exists."""
    documents = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    assert len(documents) > 5
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_make_help_lists_every_target() -> None:
    """No target without a word about it."""
    text = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)", text, re.MULTILINE))
    told = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert targets == told


def test_long_files_say_why() -> None:
    """More than 400 lines have their reason in the docstring."""
    for folder in ("wa_api", "workers", "config", "tests"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            text = file.read_text()
            if text.count("\n") > 400:
                said = (ast.get_docstring(ast.parse(text)) or "").lower()
                assert "one file" in said or "longer than most files" in said, file
