"""Readers of the event log that stay connected: WebSocket and server-sent events."""

from __future__ import annotations
