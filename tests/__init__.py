"""Tests and benchmarks; a package, so that no installed `tests` can take its name."""

from __future__ import annotations
