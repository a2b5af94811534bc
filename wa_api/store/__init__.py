"""What is kept: rows in PostgreSQL or SQLite, every query scoped by tenant."""

from __future__ import annotations
