"""What a caller of the control API can be told."""

from __future__ import annotations


class SandboxError(Exception):
    """The sandbox could not do that."""

    code = "sandbox_error"


class NotFound(SandboxError):
    """There is no such thing (of this tenant)."""

    code = "not_found"


class BadRequest(SandboxError):
    """A parameter is missing or wrong."""

    code = "bad_request"


class Conflict(SandboxError):
    """It is there already, or not in a state for this."""

    code = "conflict"


class PairingFailed(SandboxError):
    """The device could not be linked."""

    code = "pairing_failed"


class Refused(SandboxError):
    """The phone was told to refuse."""

    code = "refused"


class Offline(SandboxError):
    """The phone is offline."""

    code = "phone_offline"


class QueryError(Exception):
    """A client's query is answered with this error; `code` is WhatsApp's number."""

    def __init__(self, code: int, text: str) -> None:
        """`text` is WhatsApp's word for it."""
        super().__init__(text)
        self.code, self.text = code, text
