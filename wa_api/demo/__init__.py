"""`wa-api demo`: two sandbox numbers are linked and talk, through the public surface only."""

from __future__ import annotations
