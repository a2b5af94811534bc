"""How processes meet: leases, commands and events over Redis."""

from __future__ import annotations
