"""The parts of a waE2E.Message: which one holds the content, inside of which wrappers."""

from __future__ import annotations

from typing import Any

#: Parts that carry keys or housekeeping, and never something to show.
_HOUSEKEEPING = {
    "messageContextInfo",
    "senderKeyDistributionMessage",
    "fastRatchetKeySenderKeyDistributionMessage",
    "deviceSentMessage",
    "stickerSyncRmrMessage",
    "groupRootKeyShare",
    "rootSecretDistributeMessage",
}

_VIEW_ONCE = {"viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension"}

#: Parts that only say something about the message inside of them.
_WRAPPERS = {
    *_VIEW_ONCE,
    "ephemeralMessage",
    "editedMessage",
    "documentWithCaptionMessage",
    "groupMentionedMessage",
    "groupStatusMentionMessage",
    "botInvokeMessage",
    "lottieStickerMessage",
    "associatedChildMessage",
}


def kind_of(message: Any) -> str | None:
    """The name of the part that holds the content (or the wrapper around it)."""
    names = (field.name for field, _ in message.ListFields())
    return next((name for name in names if name not in _HOUSEKEEPING), None)


def unwrap(message: Any) -> Any:
    """The message inside of wrappers; what a view-once wrapper held is marked as such."""
    kind, once = kind_of(message), False
    while kind in _WRAPPERS:
        once = once or kind in _VIEW_ONCE
        message = getattr(message, kind).message
        kind = kind_of(message)
    part = getattr(message, kind) if kind else None
    if part is not None and once and has(part, "viewOnce"):
        part.viewOnce = True
    return message


def has(part: Any, field: str) -> bool:
    """Whether a part is of a kind that has this field (set or not)."""
    descriptor = getattr(part, "DESCRIPTOR", None)
    return descriptor is not None and field in descriptor.fields_by_name


def part_of(message: Any) -> Any:
    """The part that holds the content, of an unwrapped message; None when there is none."""
    kind = kind_of(message)
    return getattr(message, kind) if kind else None
