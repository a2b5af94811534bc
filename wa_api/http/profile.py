"""The account's own profile, privacy, disappearing messages, and calls that ring."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wa_api.domain.addresses import GROUP, LID, USER
from wa_api.domain.errors import InvalidAddress, MediaNotFound
from wa_api.domain.groups import PictureSet
from wa_api.domain.principals import Scope
from wa_api.domain.profile import (
    MAX_ABOUT,
    MAX_NAME,
    ContactLink,
    FindLinked,
    GetContactLink,
    GetPrivacy,
    GetProfile,
    GetStatusAudience,
    Linked,
    Privacy,
    Profile,
    RejectCall,
    ResetContactLink,
    SetDisappearing,
    SetProfilePicture,
    StatusAudience,
    UpdatePrivacy,
    UpdateProfile,
)
from wa_api.domain.refusals import (
    CallNotFound,
    GroupNotFound,
    InvalidImage,
    NotGroupAdmin,
    NotOnWhatsApp,
)
from wa_api.http.asking import Asked, PictureBody, address, both
from wa_api.http.bodies import Body, Query
from wa_api.http.routes import Resource

profile = Resource("profile", "The number's own profile, privacy, and calls that ring.")

_READ, _WRITE = Scope.SESSIONS_READ, Scope.SESSIONS_WRITE

Timer = Literal[0, 86_400, 604_800, 7_776_000]
Who = Literal["all", "contacts", "none"]


class ProfileChange(Body):
    """What is absent stays."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)] | None = None
    about: Annotated[str, Meta(max_length=MAX_ABOUT)] | None = None


class PrivacyChange(Body):
    """What is absent stays. `disappearing`: 24 hours, 7 or 90 days, in seconds, for chats that
    begin from now on; 0 switches off."""

    last_seen: Who | None = None
    online: Literal["all", "match_last_seen"] | None = None
    picture: Who | None = None
    about: Who | None = None
    read_receipts: Literal["all", "none"] | None = None
    groups: Who | None = None
    calls: Literal["all", "known"] | None = None
    disappearing: Timer | None = None


class DisappearingBody(Body):
    """24 hours, 7 or 90 days, in seconds; 0 switches off."""

    seconds: Timer


class ContactLinkQuery(Query):
    """A contact link."""

    link: Annotated[
        str,
        Meta(
            pattern=r"^(https://(wa\.me|api\.whatsapp\.com)/qr/)?[A-Za-z0-9]{6,40}$",
            description="`https://wa.me/qr/…`, or the code alone.",
        ),
    ]


@both(profile, "GET", "/profile", "profile.get", scope=_READ, returns=Profile)
async def get(asked: Asked) -> Any:
    """Get the number's own profile."""
    return await asked.answer(GetProfile())


@both(
    profile,
    "PATCH",
    "/profile",
    "profile.update",
    scope=_WRITE,
    body=ProfileChange,
    returns=Profile,
)
async def update(asked: Asked, body: ProfileChange) -> Any:
    """Change the number's own name or about text."""
    return await asked.answer(UpdateProfile(name=body.name, about=body.about))


@both(
    profile,
    "PUT",
    "/profile/picture",
    "profile.set_picture",
    scope=_WRITE,
    body=PictureBody,
    returns=PictureSet,
    errors=(InvalidImage, MediaNotFound),
)
async def set_picture(asked: Asked, body: PictureBody) -> Any:
    """Set the number's own picture."""
    return await asked.answer(SetProfilePicture(image=await asked.avatar(body.image, body.media)))


@both(profile, "GET", "/profile/link", "profile.link", scope=_READ, returns=ContactLink)
async def link(asked: Asked) -> Any:
    """Get the number's contact link: whoever opens it can write to the number."""
    return await asked.answer(GetContactLink())


@both(
    profile, "POST", "/profile/link/reset", "profile.reset_link", scope=_WRITE, returns=ContactLink
)
async def reset_link(asked: Asked) -> Any:
    """Make a new contact link; the old one leads nowhere any more."""
    return await asked.answer(ResetContactLink())


@both(
    profile,
    "GET",
    "/contact-link",
    "contact.by_link",
    scope=Scope.MESSAGES_READ,
    query=ContactLinkQuery,
    returns=Linked,
    errors=(NotOnWhatsApp,),
)
async def find_linked(asked: Asked, query: ContactLinkQuery) -> Any:
    """See whose contact link that is."""
    return await asked.answer(FindLinked(link=query.link))


@both(profile, "GET", "/privacy", "privacy.get", scope=_READ, returns=Privacy)
async def privacy(asked: Asked) -> Any:
    """Get the privacy settings."""
    return await asked.answer(GetPrivacy())


@both(profile, "GET", "/privacy/status", "privacy.status", scope=_READ, returns=StatusAudience)
async def status_audience(asked: Asked) -> Any:
    """Get who sees status posts. It is chosen on the phone."""
    return await asked.answer(GetStatusAudience())


@both(
    profile,
    "PATCH",
    "/privacy",
    "privacy.update",
    scope=_WRITE,
    body=PrivacyChange,
    returns=Privacy,
)
async def update_privacy(asked: Asked, body: PrivacyChange) -> Any:
    """Change privacy settings, or how long messages of new chats last.

    Each member is a change of its own at WhatsApp: when one is refused, those before it stay.
    """
    return await asked.answer(UpdatePrivacy(**msgspec.structs.asdict(body)))


@both(
    profile,
    "PUT",
    "/chats/<chat:str>/disappearing",
    "chat.set_disappearing",
    scope=Scope.MESSAGES_WRITE,
    body=DisappearingBody,
    status=204,
    errors=(InvalidAddress, NotOnWhatsApp, GroupNotFound, NotGroupAdmin),
)
async def set_disappearing(asked: Asked, chat: str, body: DisappearingBody) -> None:
    """Let the messages of a chat or group vanish after some time, for everybody in it."""
    where = address(chat, USER, LID, GROUP)
    await asked.answer(SetDisappearing(chat=where, seconds=body.seconds))


@both(
    profile,
    "POST",
    "/calls/<call:str>/reject",
    "call.reject",
    scope=Scope.MESSAGES_WRITE,
    status=204,
    errors=(CallNotFound,),
)
async def reject_call(asked: Asked, call: str) -> None:
    """Reject a call that rings.

    `call` is the id in `call.received`. The session's setting `reject_calls` rejects all.
    """
    await asked.answer(RejectCall(call=call))
