"""Asks: questions and orders to a session's owner that WhatsApp answers at once.

Each ask is a Struct that names its command; the engine has one function for each (see
`workers.engine.calls`), and what that returns is the reply. Nothing of an ask is stored.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Ask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Asked of a connected session. Addresses in it are canonical (see `parse_address`)."""

    command: ClassVar[str]
    #: Whether asking twice does no harm (see `commands.IDEMPOTENT`).
    repeatable: ClassVar[bool] = True

    #: The field that names the lane; without it the command does.
    by: ClassVar[str] = ""

    @property
    def lane(self) -> str:
        """Asks of one lane are answered one after the other."""
        return str(getattr(self, self.by)) if self.by else self.command
