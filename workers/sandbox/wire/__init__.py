"""Stanzas, addresses and their binary form."""

from __future__ import annotations

from workers.sandbox.wire.codec import BadStanza, decode, encode
from workers.sandbox.wire.jid import Jid
from workers.sandbox.wire.node import Node

__all__ = ["BadStanza", "Jid", "Node", "decode", "encode"]
