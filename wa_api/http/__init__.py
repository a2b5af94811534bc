"""The Sanic process: blueprints, one per resource, and the live feed."""

from __future__ import annotations
