"""Settings and logging: one typed, documented place."""

from __future__ import annotations
