"""Locations, contact cards, events and invitations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wa_api.domain import vcard
from wa_api.domain.content import (
    Contacts,
    Content,
    Event,
    GroupInvite,
    LiveLocation,
    Location,
    Place,
)
from workers.engine.neonize import wa


def to_location(place: Location) -> Any:
    """A pin on the map."""
    return wa.Message(locationMessage=_location(place))


def _location(place: Place) -> Any:
    return wa.LocationMessage(
        degreesLatitude=place.latitude,
        degreesLongitude=place.longitude,
        name=place.name or None,
        address=place.address or None,
        URL=place.url or None,
    )


def to_contacts(cards: Contacts) -> Any:
    """One card, or an array of them."""
    made = [
        wa.ContactMessage(displayName=vcard.name_of(contact), vcard=text)
        for contact, text in zip(cards.contacts, vcards_of(cards), strict=True)
    ]
    if len(made) == 1:
        return wa.Message(contactMessage=made[0])
    array = wa.ContactsArrayMessage(displayName=f"{len(made)} contacts", contacts=made)
    return wa.Message(contactsArrayMessage=array)


def vcards_of(cards: Contacts) -> list[str]:
    """The cards as they came, or written from their fields."""
    return list(cards.vcards) or [vcard.write(contact) for contact in cards.contacts]


def to_event(event: Event, secret: bytes) -> Any:
    """An appointment; answers to it are encrypted with `secret` (32 random bytes)."""
    part = wa.EventMessage(
        name=event.name,
        description=event.description or None,
        joinLink=event.join_link or None,
        startTime=event.start_time,
        endTime=event.end_time,
        isCanceled=event.cancelled,
        location=None if event.location is None else _location(event.location),
    )
    return wa.Message(eventMessage=part, messageContextInfo={"messageSecret": secret})


def to_invite(invite: GroupInvite) -> Any:
    """An invitation to a group."""
    part = wa.GroupInviteMessage(
        groupJID=invite.group,
        inviteCode=invite.code,
        inviteExpiration=invite.expires_at,
        groupName=invite.name or None,
        caption=invite.caption or None,
    )
    return wa.Message(groupInviteMessage=part)


def _location_of(part: Any) -> Location:
    return Location(**_place(part))


def _place(part: Any) -> dict[str, Any]:
    return {
        "latitude": part.degreesLatitude,
        "longitude": part.degreesLongitude,
        "name": part.name,
        "address": part.address,
        "url": part.URL,
    }


def _live_location(part: Any) -> LiveLocation:
    return LiveLocation(
        latitude=part.degreesLatitude,
        longitude=part.degreesLongitude,
        accuracy=_set(part, "accuracyInMeters"),
        speed=_set(part, "speedInMps"),
        heading=_set(part, "degreesClockwiseFromMagneticNorth"),
        caption=part.caption,
        sequence=_set(part, "sequenceNumber"),
    )


def _set(part: Any, field: str) -> Any:
    return getattr(part, field) if part.HasField(field) else None


def _contact(part: Any) -> Contacts:
    return _contacts_of([part])


def _contact_array(part: Any) -> Contacts:
    return _contacts_of(part.contacts)


def _contacts_of(parts: Any) -> Contacts:
    return Contacts(
        contacts=tuple(vcard.read(part.vcard, part.displayName) for part in parts),
        vcards=tuple(part.vcard for part in parts),
    )


def _event(part: Any) -> Event:
    return Event(
        name=part.name,
        start_time=part.startTime,
        end_time=part.endTime or None,
        description=part.description,
        location=Place(**_place(part.location)) if part.HasField("location") else None,
        join_link=part.joinLink,
        cancelled=part.isCanceled,
    )


def _invite(part: Any) -> GroupInvite:
    return GroupInvite(
        group=part.groupJID,
        code=part.inviteCode,
        name=part.groupName,
        caption=part.caption,
        expires_at=part.inviteExpiration or None,
    )


READ: dict[str, Callable[[Any], Content | None]] = {
    "locationMessage": _location_of,
    "liveLocationMessage": _live_location,
    "contactMessage": _contact,
    "contactsArrayMessage": _contact_array,
    "eventMessage": _event,
    "groupInviteMessage": _invite,
}
