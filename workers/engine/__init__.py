"""The port to WhatsApp, and neonize behind it."""

from __future__ import annotations
