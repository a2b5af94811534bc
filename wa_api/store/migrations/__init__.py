"""Forward-only changes of the schema, in order of their numbers."""

from __future__ import annotations
