"""What can be asked of a session's owner, and the answer."""

from __future__ import annotations

from typing import Any

import msgspec

from wa_api.domain import directory, groups, newsletters, profile
from wa_api.domain.asking import Ask
from wa_api.domain.messages import Problem


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Asked of one session, answered at most once.

    `deadline` is Unix seconds: an owner never begins a command after it. `reply_to` is the asking
    process's reply channel ("" when nobody waits). `lane` orders: commands of one lane (a chat)
    run one after the other, lanes run side by side. `entry` is its place in the session's stream,
    filled in when it is delivered.
    """

    id: str
    tenant: str
    session: str
    name: str
    data: dict[str, Any]
    deadline: float
    reply_to: str = ""
    lane: str = ""
    entry: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one answer to a command: `data`, or `error`."""

    id: str
    data: dict[str, Any] | None = None
    error: Problem | None = None
    retryable: bool = False


#: What is asked of WhatsApp itself, by the command's name.
ASKS: dict[str, type[Ask]] = {
    ask.command: ask for ask in (*directory.ASKS, *groups.ASKS, *newsletters.ASKS, *profile.ASKS)
}

#: Every command and whether running it twice does no harm. Those that are not idempotent are
#: marked as begun before they run, so that a new owner answers `outcome_unknown` for them
#: instead of running them again. Sends have their own mark: the message's row.
IDEMPOTENT: dict[str, bool] = {
    "message.send": True,
    "queue.refresh": True,
    "queue.drop": True,
    "queue.look": True,
    "message.read": True,
    "message.fetch_media": True,
    "chat.typing": True,
    "presence.set": True,
    "session.pairing_code": False,
    "session.logout": True,
    "session.stop": True,
    "session.restart": True,
    "webhook.test": True,
} | {name: ask.repeatable for name, ask in ASKS.items()}
