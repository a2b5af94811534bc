"""docs/features.md says what tests prove, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_the_features_page_is_what_the_tests_prove() -> None:
    """Each cell has a test or a reason, never both, and the page is not stale."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.features"],
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    assert (REPOSITORY / "docs/features.md").read_text() == made.stdout, "run `make docs`"
