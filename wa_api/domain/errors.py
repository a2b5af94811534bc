"""Errors a caller can be told: a code, a sentence, an HTTP status and whether to try again."""

from __future__ import annotations

from typing import Any, ClassVar


class WaError(Exception):
    """Something went wrong inside the gateway."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = True

    def __init__(self, detail: str | None = None, **facts: Any) -> None:
        """`detail` replaces the class's sentence; `facts` are shown beside it (never secrets)."""
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        self.facts = facts
        super().__init__(self.detail)


class BadRequest(WaError):
    """The request is not well-formed."""

    code, status, retryable = "bad_request", 400, False


class InvalidBody(WaError):
    """The body does not have the required shape."""

    code, status, retryable = "invalid_body", 422, False


class InvalidAddress(WaError):
    """That is not a WhatsApp address."""

    code, status, retryable = "invalid_address", 422, False


class UnsupportedMediaType(WaError):
    """The body must be JSON."""

    code, status, retryable = "unsupported_media_type", 415, False


class BodyTooLarge(WaError):
    """The body is larger than this server takes."""

    code, status, retryable = "body_too_large", 413, False


class Unauthorized(WaError):
    """A valid token or API key is required."""

    code, status, retryable = "unauthorized", 401, False


class InvalidToken(Unauthorized):
    """The token or API key is not valid."""

    code = "invalid_token"


class WrongCredentials(Unauthorized):
    """The name or the secret is wrong."""

    code = "wrong_credentials"


class TokenExpired(Unauthorized):
    """The token has expired."""

    code = "token_expired"


class TokenRevoked(Unauthorized):
    """The token has been revoked."""

    code = "token_revoked"


class Forbidden(WaError):
    """The token lacks the scope for this."""

    code, status, retryable = "forbidden", 403, False


class AddressNotAllowed(Forbidden):
    """This API key may not be used from that address."""

    code = "address_not_allowed"


class NotFound(WaError):
    """There is no such thing here."""

    code, status, retryable = "not_found", 404, False


class SessionNotFound(NotFound):
    """There is no such session."""

    code = "session_not_found"


class MessageNotFound(NotFound):
    """There is no such message."""

    code = "message_not_found"


class ChatNotFound(NotFound):
    """There is no such chat."""

    code = "chat_not_found"


class ContactNotFound(NotFound):
    """There is no such contact."""

    code = "contact_not_found"


class WebhookNotFound(NotFound):
    """There is no such webhook."""

    code = "webhook_not_found"


class TenantNotFound(NotFound):
    """There is no such tenant."""

    code = "tenant_not_found"


class Conflict(WaError):
    """The request does not fit the present state."""

    code, status, retryable = "conflict", 409, False


class WebhookNotEnabled(Conflict):
    """The webhook is paused or disabled; resume it first."""

    code = "webhook_not_enabled"


class IdempotencyConflict(Conflict):
    """This idempotency key was used before with another request."""

    code = "idempotency_key_reused"


class SessionNotConnected(Conflict):
    """The session is not connected to WhatsApp."""

    code, retryable = "session_not_connected", True


class SessionNotLinked(Conflict):
    """The session is not linked to a WhatsApp number yet."""

    code = "session_not_linked"


class SessionAlreadyLinked(Conflict):
    """The session is linked already."""

    code = "session_already_linked"


class MessageNotPending(Conflict):
    """It is too late: the message was handed over, or has ended."""

    code = "message_not_pending"


class NoQr(Conflict):
    """The session shows no QR code now."""

    code, retryable = "no_qr", True


class TooManyRequests(WaError):
    """Too many requests; slow down."""

    code, status, retryable = "too_many_requests", 429, True


class QueueFull(TooManyRequests):
    """As many messages wait in this session as may; send later, or purge the queue."""

    code = "queue_full"


class CursorGone(WaError):
    """That cursor is older than what is kept, or belongs to a log that was lost."""

    code, status, retryable = "cursor_gone", 410, False


class Unavailable(WaError):
    """A part that this needs does not answer right now."""

    code, status, retryable = "unavailable", 503, True


class CommandTimedOut(WaError):
    """The session's owner did not answer in time."""

    code, status, retryable = "command_timed_out", 504, True


class OutcomeUnknown(WaError):
    """The owner died while this was under way; whether it happened cannot be known."""

    code, status, retryable = "outcome_unknown", 502, False


class EngineRefused(WaError):
    """WhatsApp refused this."""

    code, status, retryable = "whatsapp_refused", 502, False


class AccountRestricted(WaError):
    """WhatsApp restricts this account: it may not message new contacts for now (463)."""

    code, status, retryable = "account_restricted", 409, True


class Fenced(WaError):
    """Somebody newer owns this session: the write was refused."""

    code, status, retryable = "fenced", 409, False


class InvalidProxy(WaError):
    """That is not the URL of a proxy that can be used."""

    code, status, retryable = "invalid_proxy", 422, False


class NameTaken(Conflict):
    """That name is taken."""

    code = "name_taken"


class QuotaExceeded(Conflict):
    """The tenant has as many of these as it may have."""

    code = "quota_exceeded"


class MediaNotFound(NotFound):
    """There is no such media."""

    code = "media_not_found"


class MediaExpired(NotFound):
    """The link to this media is over, or was not made by this gateway."""

    code, status = "media_link_expired", 403


class MediaGone(WaError):
    """WhatsApp does not have this media any more."""

    code, status, retryable = "media_gone", 410, False


class MediaTooLarge(WaError):
    """The media is larger than allowed."""

    code, status, retryable = "media_too_large", 413, False


class MediaTypeRefused(WaError):
    """The media's content is not of a type that can be sent like this."""

    code, status, retryable = "media_type_refused", 415, False


class MediaDamaged(WaError):
    """The media is cut off or damaged: it cannot be read to its end."""

    code, status, retryable = "media_damaged", 422, False


class MediaTooComplex(WaError):
    """The media would take too much memory or time to decode."""

    code, status, retryable = "media_too_complex", 422, False


class ConversionUnavailable(WaError):
    """This media must be converted first, and the gateway has no ffmpeg."""

    code, status, retryable = "conversion_unavailable", 422, False


class LinkRefused(WaError):
    """The link leads to where the gateway does not fetch from."""

    code, status, retryable = "link_refused", 422, False


class LinkFailed(WaError):
    """The link did not give what it should."""

    code, status, retryable = "link_failed", 502, True
