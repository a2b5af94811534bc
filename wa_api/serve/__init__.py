"""`wa-api serve`: the parent of all processes on one machine. Never imports neonize or Sanic."""

from __future__ import annotations
