"""Between WhatsApp's protobuf messages and the gateway's words. Pure: no I/O, no state.

One module per family of content: each has a `to_…` function per kind and a table `READ` from
protobuf field to reader; `messages` puts them together.
"""

from __future__ import annotations

from workers.engine.convert.context import context_of
from workers.engine.convert.ends import ban_of, failure_of, pairing_end_of
from workers.engine.convert.events import (
    inbound_of,
    presence_of,
    receipt_of,
    timer_of,
    typing_of,
    undecryptable_of,
)
from workers.engine.convert.history import history_of
from workers.engine.convert.jids import jid_of, jid_to
from workers.engine.convert.media import remote_of, uploaded
from workers.engine.convert.messages import content_of, message_to
from workers.engine.convert.polls import info_to

__all__ = [
    "ban_of",
    "content_of",
    "context_of",
    "failure_of",
    "history_of",
    "inbound_of",
    "info_to",
    "jid_of",
    "jid_to",
    "message_to",
    "pairing_end_of",
    "presence_of",
    "receipt_of",
    "remote_of",
    "timer_of",
    "typing_of",
    "undecryptable_of",
    "uploaded",
]
