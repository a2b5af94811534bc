"""The fault suite: real processes, faults on a seeded schedule, the sandbox as the judge."""

from __future__ import annotations
