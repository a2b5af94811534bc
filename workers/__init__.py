"""The processes behind the HTTP workers: sessions, webhooks, sandbox."""

from __future__ import annotations
