"""What later messages did to an earlier one: reactions, edits, revocation, pin, votes. Pure.

WhatsApp's servers do not see what these say, so what they may do is checked here as its own
clients do: an edit counts from the author only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from wa_api.domain.content import Action, Edit, Pin, Reaction, Revoke, Vote, hash_of
from wa_api.domain.messages import (
    Address,
    EditStep,
    MessageView,
    Pinned,
    PollOption,
    ReactionBy,
    Revoked,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One such message: what it does, who did it (None: this account) and when (RFC 3339)."""

    action: Action
    sender: Address | None
    time: str


def who(sender: Address | None) -> str:
    """A key that is the same for all messages of one person."""
    return "" if sender is None else sender.phone or sender.lid or sender.id


def changed_by(message: MessageView, changes: Iterable[Change]) -> MessageView:
    """The message as it is after `changes`, which come in the order of their times."""
    changes = [one for one in changes if allowed(message, one.action, one.sender)]
    if not changes:
        return message
    message = _edited(message, changes)
    return msgspec.structs.replace(
        message,
        reactions=_reactions(changes),
        revoked=_revoked(changes),
        pinned=_pinned(changes),
        votes=votes(message, changes) if message.type == "poll" else [],
    )


def allowed(message: MessageView, action: Action, sender: Address | None) -> bool:
    """Whether `sender` (None: this account) may do this to the message.

    In a group its administrators may revoke too: who is one, nobody but WhatsApp knows.
    """
    if isinstance(action, Revoke) and message.chat.id.endswith("@g.us"):
        return True
    mine = message.direction == "out"
    author = mine if sender is None else not mine and who(sender) == who(message.sender)
    return author or not isinstance(action, Edit | Revoke)


def _edited(message: MessageView, changes: Sequence[Change]) -> MessageView:
    member = "body" if message.type == "text" else "caption"
    steps, content = [], message.content
    edited_at = None
    for change in changes:
        if isinstance(change.action, Edit):
            since = edited_at or message.time
            steps.append(EditStep(body=str(content.get(member, "")), time=since))
            content, edited_at = {**content, member: change.action.body}, change.time
    return msgspec.structs.replace(message, content=content, edits=steps, edited_at=edited_at)


def _reactions(changes: Sequence[Change]) -> list[ReactionBy]:
    latest: dict[str, ReactionBy] = {}
    for change in changes:
        if isinstance(change.action, Reaction):
            latest.pop(who(change.sender), None)
            latest[who(change.sender)] = ReactionBy(
                emoji=change.action.emoji, sender=change.sender, time=change.time
            )
    return [one for one in latest.values() if one.emoji]


def _revoked(changes: Sequence[Change]) -> Revoked | None:
    for change in changes:
        if isinstance(change.action, Revoke):
            return Revoked(sender=change.sender, time=change.time)
    return None


def _pinned(changes: Sequence[Change]) -> Pinned | None:
    for change in reversed(changes):
        if isinstance(change.action, Pin):
            seconds = change.action.seconds
            if not seconds:
                return None
            return Pinned(
                sender=change.sender, time=change.time, until=_later(change.time, seconds)
            )
    return None


def _later(time: str, seconds: int) -> str:
    at = datetime.fromisoformat(time).timestamp() + seconds
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def options_of(poll: MessageView, vote: Vote) -> list[str]:
    """The options that a vote chooses, in the poll's order."""
    chosen = {hash_of(option) for option in vote.options} | set(vote.hashes or ())
    return [option for option in poll.content["options"] if hash_of(option) in chosen]


def votes(poll: MessageView, changes: Iterable[Change]) -> list[PollOption]:
    """Each option of a poll with those who chose it, in the order of their votes."""
    latest: dict[str, tuple[Address | None, list[str]]] = {}
    for change in changes:
        if isinstance(change.action, Vote) and change.action.hashes is not None:
            latest.pop(who(change.sender), None)
            latest[who(change.sender)] = change.sender, options_of(poll, change.action)
    options: dict[str, list[Any]] = {option: [] for option in poll.content["options"]}
    for sender, chosen in latest.values():
        for option in chosen:
            options[option].append(sender)
    return [
        PollOption(
            option=option,
            count=len(voters),
            voters=[voter for voter in voters if voter is not None],
            mine=None in voters,
        )
        for option, voters in options.items()
    ]
