"""Delivers tenants' events to their HTTP endpoints."""

from __future__ import annotations
