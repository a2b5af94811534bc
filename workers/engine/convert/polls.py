"""Polls. Votes are encrypted: the library makes and reads them (see `engine`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wa_api.domain.addresses import Jid
from wa_api.domain.content import Content, Poll, Vote
from workers.engine.convert.jids import jid_to
from workers.engine.neonize import proto, wa
from workers.engine.port import Target


def to_poll(poll: Poll, secret: bytes) -> Any:
    """A poll; votes are encrypted with `secret` (32 random bytes)."""
    part = wa.PollCreationMessage(
        name=poll.question,
        options=[wa.PollCreationMessage.Option(optionName=option) for option in poll.options],
        selectableOptionsCount=poll.max_choices,
    )
    return wa.Message(pollCreationMessage=part, messageContextInfo={"messageSecret": secret})


def info_to(target: Target, me: Jid) -> Any:
    """What the library must know of a poll to vote in it; `me` is this account."""
    nobody = jid_to(Jid("", ""))
    source = proto.MessageSource(
        Chat=jid_to(target.chat),
        Sender=jid_to(target.sender or me),
        IsFromMe=target.sender is None,
        IsGroup=target.chat.is_group,
        SenderAlt=nobody,
        RecipientAlt=nobody,
        BroadcastListOwner=nobody,
    )
    return proto.MessageInfo(
        MessageSource=source,
        ID=target.wa_id,
        Type="poll",
        Timestamp=0,
        # All that the library demands, though it does not look at it here.
        **dict.fromkeys(("Pushname", "Category", "MediaType", "Edit"), ""),
        ServerID=0,
        Multicast=False,
    )


def _poll(part: Any) -> Poll:
    return Poll(
        question=part.name,
        options=tuple(option.optionName for option in part.options),
        max_choices=part.selectableOptionsCount,
    )


def _vote(part: Any) -> Vote:
    return Vote(message_id=part.pollCreationMessageKey.ID, hashes=None)


READ: dict[str, Callable[[Any], Content | None]] = {
    "pollCreationMessage": _poll,
    "pollCreationMessageV2": _poll,
    "pollCreationMessageV3": _poll,
    "pollUpdateMessage": _vote,
}
