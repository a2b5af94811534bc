"""wa-api: a WhatsApp gateway that any number of processes share."""

from __future__ import annotations

__version__ = "0.1.0"
