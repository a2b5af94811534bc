"""What can go wrong between two ends of a Signal session."""

from __future__ import annotations


class SignalError(Exception):
    """A message could not be encrypted or decrypted."""

    def __init__(self, detail: str | None = None) -> None:
        """`detail` replaces the class's sentence; it never carries keys or plaintext."""
        super().__init__(detail or (type(self).__doc__ or "").strip().splitlines()[0])


class InvalidMessage(SignalError):
    """The bytes are not a message, bundle or key of this protocol."""


class NoSession(SignalError):
    """There is no session with that address."""


class NoSenderKey(NoSession):
    """That sender's key of this group is not known."""


class UnknownPreKey(SignalError):
    """The message was made for a prekey that is not, or no longer, ours."""


class BadMac(SignalError):
    """No session with that address authenticates the message."""


class BadSignature(SignalError):
    """The signature was not made by that key."""


class DuplicateMessage(SignalError):
    """The key of that message was used before, or given up as too old."""


class TooFarAhead(SignalError):
    """More messages are missing before this one than are kept keys for."""
