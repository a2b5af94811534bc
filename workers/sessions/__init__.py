"""Session workers: which sessions this process owns, and one actor per session."""

from __future__ import annotations
