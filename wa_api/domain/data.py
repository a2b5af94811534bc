"""What every event's data has in common."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event says; each subclass names its `type`."""

    type: ClassVar[str]
