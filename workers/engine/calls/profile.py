"""Asks about the account itself: profile, privacy, disappearing messages, calls."""

from __future__ import annotations

from typing import Any, Literal, get_args

from wa_api.domain.groups import PictureSet
from wa_api.domain.identity import address
from wa_api.domain.profile import (
    Audience,
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
from wa_api.domain.refusals import CallNotFound, NotOnWhatsApp
from workers.engine.calls.call import Call, Calls, known_as, remote
from workers.engine.convert.jids import jid_of
from workers.engine.neonize import Client, LibraryError, proto

#: Our name of a setting, the library's, and WhatsApp's.
_SETTINGS = {
    "last_seen": ("LastSeen", "last"),
    "online": ("Online", "online"),
    "picture": ("Profile", "profile"),
    "about": ("Status", "status"),
    "read_receipts": ("ReadReceipts", "readreceipts"),
    "groups": ("GroupAdd", "groupadd"),
    "calls": ("CallAdd", "calladd"),
}
_AUDIENCES: dict[int, Audience] = {
    proto.PrivacySettings.ALL: "all",
    proto.PrivacySettings.CONTACTS: "contacts",
    proto.PrivacySettings.CONTACT_BLACKLIST: "contacts_except",
    proto.PrivacySettings.MATCH_LAST_SEEN: "match_last_seen",
    proto.PrivacySettings.KNOWN: "known",
    proto.PrivacySettings.NONE: "none",
}
_STATUS_AUDIENCES: dict[int, Literal["contacts", "contacts_except", "only"]] = {
    proto.StatusPrivacy.CONTACTS: "contacts",
    proto.StatusPrivacy.BLACKLIST: "contacts_except",
    proto.StatusPrivacy.WHITELIST: "only",
}
assert set(_AUDIENCES.values()) < set(get_args(Audience))  # noqa: S101 - a table of ours


def _get(client: Client, _: GetProfile) -> Profile:
    me = client.me()
    jid = jid_of(me.JID)
    if jid is None:
        raise LibraryError("the store doesn't contain a device JID")
    shown = next(iter(client.do("get_user_info", remote(str(jid)))), None)
    about, picture = (shown.UserInfo.Status, shown.UserInfo.PictureID) if shown else ("", "")
    return Profile(
        contact=address(jid, jid_of(me.LID)),
        name=me.PushName,
        about=about,
        picture_id=picture or None,
    )


def _update(client: Client, what: UpdateProfile) -> Profile:
    if what.name is not None:
        client.do("set_profile_name", what.name)
    if what.about is not None:
        client.do("set_status_message", what.about)
    return _get(client, GetProfile())


def _set_picture(client: Client, what: SetProfilePicture) -> PictureSet:
    return PictureSet(id=client.do("set_profile_photo", what.image))


def _link(client: Client, _: GetContactLink) -> ContactLink:
    return _linked(client.do("get_contact_qr_link"))


def _reset_link(client: Client, _: ResetContactLink) -> ContactLink:
    return _linked(client.do("get_contact_qr_link", True))


def _linked(code: str) -> ContactLink:
    return ContactLink(link=f"https://wa.me/qr/{code}")


def _find_linked(client: Client, what: FindLinked) -> Linked:
    found = client.do("resolve_contact_qr_link", what.link.rpartition("/")[2])
    contact = known_as(client, found.JID, found.PushName)
    if contact is None:
        raise LibraryError("that contact QR link does not exist")
    return Linked(contact=contact)


def _privacy(client: Client, _: GetPrivacy) -> Privacy:
    return _shown(client.do("get_privacy_settings"))


def _shown(settings: Any) -> Privacy:
    found = {
        ours: _AUDIENCES.get(getattr(settings, theirs), "unknown")
        for ours, (theirs, _) in _SETTINGS.items()
    }
    if set(found.values()) == {"unknown"}:
        # The library answers like this when it could not ask.
        raise LibraryError("info query timed out")
    return Privacy(**found)


def _status_audience(client: Client, _: GetStatusAudience) -> StatusAudience:
    lists = client.do("get_status_privacy")
    chosen = next((one for one in lists if one.IsDefault), lists[0])
    people = [known_as(client, jid) for jid in chosen.List]
    return StatusAudience(
        audience=_STATUS_AUDIENCES[chosen.Type], people=[one for one in people if one is not None]
    )


def _update_privacy(client: Client, what: UpdatePrivacy) -> Privacy:
    for ours, (_, theirs) in _SETTINGS.items():
        wanted = getattr(what, ours)
        if wanted is not None:
            _set(client, theirs, wanted)
    if what.disappearing is not None:
        client.do("set_default_disappearing_timer", what.disappearing * 10**9)
    return _privacy(client, GetPrivacy())


def _set(client: Client, setting: str, value: str) -> None:
    # The library's own method takes the answer for an error text.
    answer = proto.SetPrivacySettingReturnFunction.FromString(
        client.go("SetPrivacySetting", setting.encode(), value.encode())
    )
    if answer.Error:
        raise LibraryError(answer.Error)


def _disappearing(client: Client, what: SetDisappearing) -> None:
    client.set_disappearing(remote(what.chat), what.seconds)


def _reject(client: Client, what: RejectCall) -> None:
    caller = client.memory.calls.find(what.call)
    if caller is None:
        raise LibraryError("server returned error 404")
    client.do("reject_call", caller, what.call)


_LINK = {400: NotOnWhatsApp.code, 404: NotOnWhatsApp.code}

CALLS: Calls = {
    GetProfile: Call(_get),
    UpdateProfile: Call(_update),
    SetProfilePicture: Call(_set_picture),
    GetContactLink: Call(_link),
    ResetContactLink: Call(_reset_link),
    FindLinked: Call(_find_linked, _LINK),
    GetPrivacy: Call(_privacy),
    GetStatusAudience: Call(_status_audience),
    UpdatePrivacy: Call(_update_privacy),
    SetDisappearing: Call(_disappearing),
    RejectCall: Call(_reject, {404: CallNotFound.code}),
}
