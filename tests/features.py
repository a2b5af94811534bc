"""Writes docs/features.md from the tests that prove it: `make docs`.

A test says what it proves, by a row of `tests.feature_rows` and its columns:

    @pytest.mark.proves("Reaction", "sent", "rest")
    async def test_a_reaction_reaches_the_phone(...):

The marker also goes on one case of a parametrized test (`pytest.param(..., marks=...)`) and on a
whole module (`pytestmark`). The tests are collected, not run. A column that a test proves must not
keep its reason in the row: remove it (`LATER` stands for what is still to come). Rows are only
proven by tests that run the real engine or real processes (under tests/e2e or tests/contract).
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.feature_rows import COLUMNS, SECTIONS, WORKS, Row

ROOT = Path(__file__).parents[1]

#: Row and column to the tests that prove it.
Proofs = dict[tuple[str, str], list[str]]

_HEAD = """# Features

Made by `make docs` from the tests that prove each cell; do not edit. ✓: proven by a test named at
the end of the row, which runs the real engine against the sandbox, or real processes. A number
refers to the reason below the table. Empty: it means nothing there.
"""


class _Collector:
    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def collect() -> Proofs:
    """What all tests say that they prove; raises ValueError for words that no row knows."""
    collector = _Collector()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        options = ["--collect-only", "-q", "-p", "no:cacheprovider", *_files()]
        if pytest.main(options, plugins=[collector]) != pytest.ExitCode.OK:
            raise RuntimeError(said.getvalue()[-4000:])
    found: Proofs = {}
    for item in collector.items:
        for marker in item.iter_markers("proves"):
            for place in _places(item, *marker.args):
                tests = found.setdefault(place, [])
                name = item.nodeid.partition("[")[0].removeprefix("tests/")
                if name not in tests:
                    tests.append(name)
    return found


def _files() -> list[str]:
    """Those that prove anything: collecting all takes ten times as long."""
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path) for path in tests if "mark.proves(" in path.read_text()]


def _places(item: pytest.Item, name: str, *columns: str) -> Iterator[tuple[str, str]]:
    rows = {row.name: row for section in SECTIONS.values() for row in section}
    if name not in rows:
        raise ValueError(f"{item.nodeid} proves {name!r}, which is no row")
    for column in columns or (WORKS,):
        if column not in rows[name].columns.split():
            raise ValueError(f"{item.nodeid} proves {name!r}, which has no column {column!r}")
        yield name, column


def complaints(proofs: Proofs) -> list[str]:
    """Columns without test and reason, and columns with both."""
    wrong = []
    for row in (row for section in SECTIONS.values() for row in section):
        for column in row.columns.split():
            proven, reason = (row.name, column) in proofs, row.reason(column)
            if proven is (reason is not None):
                both = "a test and a reason" if proven else "neither test nor reason"
                wrong.append(f"{row.name}, {column}: {both}")
    return wrong


def render(proofs: Proofs) -> str:
    """The document."""
    return "\n".join([_HEAD, *(_section(name, rows, proofs) for name, rows in SECTIONS.items())])


def _section(name: str, rows: list[Row], proofs: Proofs) -> str:
    reasons: list[str] = []
    lines = [_row(row, proofs, reasons) for row in rows]
    notes = [f"{n}. {reason}" for n, reason in enumerate(reasons, 1)]
    head = f"| | {' | '.join(COLUMNS)} | tests |\n|---|{'---|' * (len(COLUMNS) + 1)}"
    return "\n".join([f"## {name}\n", head, *lines, "", *notes, ""])


def _row(row: Row, proofs: Proofs, reasons: list[str]) -> str:
    cells = [_cell(row, column, proofs, reasons) for column in COLUMNS]
    tests = [test for column in row.columns.split() for test in proofs.get((row.name, column), ())]
    last = "<br>".join(f"`{test}`" for test in dict.fromkeys(tests))
    if row.columns == WORKS and not last:
        last = _cell(row, WORKS, proofs, reasons)
    return f"| {row.name} | {' | '.join(cells)} | {last} |"


def _cell(row: Row, column: str, proofs: Proofs, reasons: list[str]) -> str:
    if column not in row.columns.split():
        return ""
    if (row.name, column) in proofs:
        return "✓"
    reason = row.reason(column) or "?"
    if reason not in reasons:
        reasons.append(reason)
    return str(reasons.index(reason) + 1)


if __name__ == "__main__":
    gathered = collect()
    wrong = complaints(gathered)
    sys.stdout.write(render(gathered))
    if wrong:
        sys.exit("\n".join(wrong))
