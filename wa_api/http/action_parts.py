"""What clients write about another message: reactions, edits, votes, forwards and the like."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from wa_api.domain import content as domain
from wa_api.domain.content import MAX_TEXT_BYTES
from wa_api.http.parts import MessageRef, Part, Strict, checked_text


class ReactionPart(Part):
    """An emoji on a message; "" takes it back."""

    message_id: MessageRef
    emoji: Annotated[str, Meta(max_length=32)]

    def content(self) -> domain.Reaction:
        """See Part."""
        return domain.Reaction(message_id=self.message_id, emoji=self.emoji)


class EditPart(Part):
    """Another text (or caption) for a message of one's own."""

    message_id: MessageRef
    body: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_BYTES)]

    def content(self) -> domain.Edit:
        """See Part."""
        return domain.Edit(message_id=self.message_id, body=checked_text("edit.body", self.body))


class RevokePart(Part):
    """Delete a message for everyone."""

    message_id: MessageRef

    def content(self) -> domain.Revoke:
        """See Part."""
        return domain.Revoke(message_id=self.message_id)


class PinPart(Part):
    """Pin a message for everybody in its chat, for a day, a week or 30 days; 0 unpins it."""

    message_id: MessageRef
    seconds: Literal[0, 86_400, 604_800, 2_592_000] = 604_800

    def content(self) -> domain.Pin:
        """See Part."""
        return domain.Pin(message_id=self.message_id, seconds=self.seconds)


class VotePart(Part):
    """A choice in a poll, by the options' texts; none takes the vote back."""

    message_id: MessageRef
    options: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=12)]

    def content(self) -> domain.Vote:
        """See Part."""
        return domain.Vote(message_id=self.message_id, options=tuple(dict.fromkeys(self.options)))


class ForwardPart(Strict):
    """Send a stored message on, marked as forwarded."""

    message_id: MessageRef
