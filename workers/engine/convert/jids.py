"""Addresses in the library's form and in ours."""

from __future__ import annotations

from typing import Any

from wa_api.domain.addresses import Jid
from workers.engine.neonize import proto


def jid_of(of: Any) -> Jid | None:
    """The address without its device part; None when there is none."""
    return Jid(of.User, of.Server) if of.User else None


def jid_to(jid: Jid) -> Any:
    """The library's form of an address."""
    return proto.JID(
        User=jid.user, Server=jid.server, RawAgent=0, Device=0, Integrator=0, IsEmpty=False
    )
