"""Asks about people, at the library."""

from __future__ import annotations

from typing import Any

from wa_api.domain.addresses import parse_address
from wa_api.domain.directory import (
    AboutContact,
    Block,
    Blocklist,
    CheckNumbers,
    ContactAbout,
    Devices,
    FindPicture,
    GetBlocklist,
    ListDevices,
    NumberCheck,
    NumberChecks,
    Picture,
    WatchPresence,
)
from wa_api.domain.identity import address
from wa_api.domain.messages import Address
from wa_api.domain.refusals import NotOnWhatsApp, PictureHidden, PictureNotFound
from workers.engine.calls.call import Call, Calls, known_as, other_of, remote
from workers.engine.neonize import Client, LibraryError, enum, proto

NOBODY = "no LID found for that contact"  # as the library says it elsewhere


def _asked(client: Client, contact: str) -> Address:
    jid = parse_address(contact)
    return address(jid, other_of(client, jid))


def _check(client: Client, what: CheckNumbers) -> NumberChecks:
    try:
        answers = client.do("is_on_whatsapp", *(f"+{number}" for number in what.numbers))
    except LibraryError as error:
        if "returned nothing" not in str(error):
            raise
        answers = []
    found = {one.Query.removeprefix("+"): one for one in answers}
    return NumberChecks(items=[_checked(client, each, found.get(each)) for each in what.numbers])


def _checked(client: Client, number: str, answer: Any) -> NumberCheck:
    if answer is None or not answer.IsIn:
        return NumberCheck(number=number, exists=False)
    business = answer.VerifiedName.Details.verifiedName or None
    return NumberCheck(
        number=number, exists=True, contact=known_as(client, answer.JID), business=business
    )


def _about(client: Client, what: AboutContact) -> ContactAbout:
    # WhatsApp answers for everybody: who has no account has no device either.
    answers = client.do("get_user_info", remote(what.contact))
    answer = next((one.UserInfo for one in answers if one.UserInfo.Devices), None)
    if answer is None:
        raise LibraryError(NOBODY)
    return ContactAbout(
        contact=_asked(client, what.contact),
        about=answer.Status,
        picture_id=answer.PictureID or None,
        business=answer.VerifiedName.Details.verifiedName or None,
    )


def _picture(client: Client, what: FindPicture) -> Picture:
    wanted = proto.GetProfilePictureParams(
        Preview=what.preview, ExistingID=what.known or "", IsCommunity=what.community
    )
    found = client.do("get_profile_picture", remote(what.contact), wanted)
    if not found.ID:
        return Picture(id=what.known or "")
    return Picture(id=found.ID, url=found.URL, type=found.Type)


def _devices(client: Client, what: ListDevices) -> Devices:
    found = client.do("get_user_devices", remote(what.contact))
    if not found:
        raise LibraryError(NOBODY)
    return Devices(
        contact=_asked(client, what.contact), devices=sorted(device.Device for device in found)
    )


def _watch(client: Client, what: WatchPresence) -> None:
    client.do("subscribe_presence", remote(what.contact))


def _blocklist(client: Client, _: GetBlocklist) -> Blocklist:
    return _listed(client, client.do("get_blocklist"))


def _block(client: Client, what: Block) -> Blocklist:
    action = enum.BlocklistAction("block" if what.blocked else "unblock")
    return _listed(client, client.do("update_blocklist", remote(what.contact), action))


def _listed(client: Client, answer: Any) -> Blocklist:
    found = (known_as(client, jid) for jid in answer.JIDs)
    return Blocklist(items=[one for one in found if one is not None])


_PICTURE = {401: PictureHidden.code, 403: PictureHidden.code, 404: PictureNotFound.code}
_PERSON = {404: NotOnWhatsApp.code}

CALLS: Calls = {
    CheckNumbers: Call(_check),
    AboutContact: Call(_about, _PERSON),
    FindPicture: Call(_picture, _PICTURE),
    ListDevices: Call(_devices, _PERSON),
    WatchPresence: Call(_watch, _PERSON),
    GetBlocklist: Call(_blocklist),
    Block: Call(_block, _PERSON),
}
