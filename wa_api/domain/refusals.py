"""What WhatsApp refuses with when it is asked something: each by its stable code."""

from __future__ import annotations

from wa_api.domain.errors import (
    Conflict,
    EngineRefused,
    InvalidBody,
    NotFound,
    SessionNotConnected,
    WaError,
)


class NotOnWhatsApp(NotFound):
    """WhatsApp does not know that contact."""

    code = "recipient_not_on_whatsapp"


class PictureNotFound(NotFound):
    """There is no picture."""

    code = "picture_not_found"


class PictureHidden(Conflict):
    """The picture is hidden from this account."""

    code, status = "picture_hidden", 403


class GroupNotFound(NotFound):
    """There is no such group."""

    code = "group_not_found"


class NotInGroup(Conflict):
    """The session is not a member of that group."""

    code = "not_in_group"


class NotGroupAdmin(Conflict):
    """Only an admin of the group may do that, and the session is none."""

    code, status = "not_group_admin", 403


class InviteInvalid(NotFound):
    """That is not an invite link of a group."""

    code = "invite_invalid"


class InviteRevoked(Conflict):
    """That invite link was reset."""

    code, status = "invite_revoked", 410


class InviteExpired(Conflict):
    """That invitation has expired."""

    code, status = "invite_expired", 410


class NoInvitation(Conflict):
    """That message is no invitation to a group that arrived."""

    code = "no_invitation"


class AlreadyInGroup(Conflict):
    """The session is a member of that group already."""

    code = "already_in_group"


class InvalidImage(InvalidBody):
    """WhatsApp does not take that as a picture."""

    code = "invalid_image"


class NewsletterNotFound(NotFound):
    """There is no such newsletter."""

    code = "newsletter_not_found"


class NotNewsletterAdmin(Conflict):
    """Only an admin of the newsletter may do that, and the session is none."""

    code, status = "not_newsletter_admin", 403


class CallNotFound(NotFound):
    """That call is over, or is not this session's."""

    code = "call_not_found"


class RateLimited(WaError):
    """WhatsApp asks to slow down."""

    code, status, retryable = "rate_limited", 429, True


class WhatsAppTimeout(WaError):
    """WhatsApp did not answer in time."""

    code, status, retryable = "whatsapp_timeout", 504, True


_LOST = {"not_connected": SessionNotConnected}

REFUSALS: dict[str, type[WaError]] = _LOST | {
    cls.code: cls
    for cls in (
        NotOnWhatsApp,
        PictureNotFound,
        PictureHidden,
        GroupNotFound,
        NotInGroup,
        NotGroupAdmin,
        InviteInvalid,
        InviteRevoked,
        InviteExpired,
        AlreadyInGroup,
        InvalidImage,
        NewsletterNotFound,
        NotNewsletterAdmin,
        CallNotFound,
        RateLimited,
        WhatsAppTimeout,
    )
}


def refusal(code: str, detail: str | None = None) -> WaError:
    """The error that a caller is told; `detail` replaces its usual sentence."""
    return REFUSALS.get(code, EngineRefused)(detail)
