"""What WhatsApp tells of people: number check, about, picture, devices, presence, block list."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from wa_api.domain.addresses import GROUP, LID, NEWSLETTER, USER, parse_address
from wa_api.domain.directory import (
    MOST_NUMBERS,
    AboutContact,
    Block,
    Blocklist,
    CheckNumbers,
    ContactAbout,
    Devices,
    FindPicture,
    GetBlocklist,
    ListDevices,
    NumberChecks,
    Picture,
    WatchPresence,
)
from wa_api.domain.errors import InvalidAddress
from wa_api.domain.principals import Scope
from wa_api.domain.refusals import NotOnWhatsApp, PictureHidden, PictureNotFound
from wa_api.http.asking import Asked, address, both
from wa_api.http.bodies import AddressText, Body, Query
from wa_api.http.routes import Resource

directory = Resource(
    "directory", "What WhatsApp tells of people: number check, about, picture, block list."
)

_READ, _WRITE = Scope.MESSAGES_READ, Scope.MESSAGES_WRITE
_ONE = "/contacts/<contact:str>"
_UNKNOWN = (InvalidAddress, NotOnWhatsApp)


def _person(text: str) -> str:
    return address(text, USER, LID)


class NumbersBody(Body):
    """Phone numbers: digits with country code, or `+E.164`."""

    numbers: Annotated[list[AddressText], Meta(min_length=1, max_length=MOST_NUMBERS)]


class PictureQuery(Query):
    """`preview`: the small one. With `known`, the id of the picture that you have, there is no
    `url` in the answer when that is the present one. `community`: it is one."""

    preview: bool = False
    known: Annotated[str, Meta(max_length=64, pattern=r"^[0-9A-Za-z_-]+$")] | None = None
    community: bool = False


@both(
    directory,
    "POST",
    "/contacts/check",
    "contacts.check",
    scope=_READ,
    body=NumbersBody,
    returns=NumberChecks,
    errors=(InvalidAddress,),
)
async def check(asked: Asked, body: NumbersBody) -> Any:
    """Check which numbers have WhatsApp.

    One answer per number, in their order. WhatsApp watches for number harvesting: check numbers
    that you are going to write to, not lists of everybody.
    """
    numbers = list(dict.fromkeys(parse_address(_number(each)).user for each in body.numbers))
    return await asked.answer(CheckNumbers(numbers=numbers))


def _number(text: str) -> str:
    return address(text, USER)


@both(
    directory,
    "GET",
    f"{_ONE}/about",
    "contact.about",
    scope=_READ,
    returns=ContactAbout,
    errors=_UNKNOWN,
)
async def about(asked: Asked, contact: str) -> Any:
    """Get a contact's about text, and both its addresses: phone number and LID."""
    return await asked.answer(AboutContact(contact=_person(contact)))


@both(
    directory,
    "GET",
    f"{_ONE}/picture",
    "contact.picture",
    scope=_READ,
    query=PictureQuery,
    returns=Picture,
    errors=(InvalidAddress, PictureNotFound, PictureHidden),
)
async def picture(asked: Asked, contact: str, query: PictureQuery) -> Any:
    """Get where the picture of a contact or a group is."""
    return await asked.answer(
        FindPicture(
            contact=address(contact, USER, LID, GROUP, NEWSLETTER),
            preview=query.preview,
            known=query.known,
            community=query.community,
        )
    )


@both(
    directory,
    "GET",
    f"{_ONE}/devices",
    "contact.devices",
    scope=_READ,
    returns=Devices,
    errors=_UNKNOWN,
)
async def devices(asked: Asked, contact: str) -> Any:
    """List the devices of a contact."""
    return await asked.answer(ListDevices(contact=_person(contact)))


@both(
    directory,
    "POST",
    f"{_ONE}/subscribe",
    "contact.subscribe",
    scope=_READ,
    status=204,
    errors=_UNKNOWN,
)
async def subscribe(asked: Asked, contact: str) -> None:
    """Watch a contact's presence.

    `contact.presence_changed` events come until the session's connection ends: subscribe again
    when the session is `connected` again. Contacts may hide their presence.
    """
    await asked.answer(WatchPresence(contact=_person(contact)))


@both(directory, "GET", "/blocklist", "blocklist.get", scope=_READ, returns=Blocklist)
async def blocklist(asked: Asked) -> Any:
    """List the contacts that the number blocks."""
    return await asked.answer(GetBlocklist())


@both(
    directory,
    "POST",
    f"{_ONE}/block",
    "contact.block",
    scope=_WRITE,
    returns=Blocklist,
    errors=_UNKNOWN,
)
async def block(asked: Asked, contact: str) -> Any:
    """Block a contact; the answer is the whole list."""
    return await asked.answer(Block(contact=_person(contact)))


@both(
    directory,
    "POST",
    f"{_ONE}/unblock",
    "contact.unblock",
    scope=_WRITE,
    returns=Blocklist,
    errors=_UNKNOWN,
)
async def unblock(asked: Asked, contact: str) -> Any:
    """Block a contact no longer; the answer is the whole list."""
    return await asked.answer(Block(contact=_person(contact), blocked=False))
