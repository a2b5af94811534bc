"""The sandbox: virtual phones that scan, send, read and misbehave. Only where it is enabled."""

from __future__ import annotations

from typing import Any

import msgspec

from wa_api.domain.errors import BadRequest, Conflict, NotFound
from wa_api.domain.principals import Scope
from wa_api.http import sandbox_bodies as shapes
from wa_api.http.bodies import NoBody
from wa_api.http.routes import Handler, Resource
from wa_api.http.types import Request, caller, services
from wa_api.services.sandbox import PairingFailed, PairingRefused, PhoneOffline

sandbox = Resource("sandbox", "A WhatsApp without phones: try the product, and test against it.")

_PHONE = "/sandbox/phones/<phone:str>"
_KNOWN = (NotFound,)
_AT_WORK = (NotFound, PhoneOffline)


async def _call(request: Request, method: str, given: Any = None, **more: Any) -> Any:
    use = services(request).sandbox
    if use is None:
        raise NotFound
    parameters = {} if given is None else msgspec.to_builtins(given)
    return await use.call(caller(request), method, **parameters, **more)


async def _list(request: Request, method: str, given: Any = None, **more: Any) -> dict[str, Any]:
    return {"items": await _call(request, method, given, **more)}


@sandbox.post(
    "/sandbox/phones",
    scope=Scope.SANDBOX,
    body=shapes.NewPhone,
    returns=shapes.VirtualPhone,
    status=201,
    errors=(Conflict,),
)
async def create(request: Request, body: shapes.NewPhone) -> Any:
    """Create a virtual phone."""
    return await _call(request, "phone.create", body)


@sandbox.get("/sandbox/phones", scope=Scope.SANDBOX, returns=shapes.Phones)
async def list_all(request: Request) -> Any:
    """List virtual phones."""
    return await _list(request, "phone.list")


@sandbox.get(_PHONE, scope=Scope.SANDBOX, returns=shapes.VirtualPhone, errors=_KNOWN)
async def get(request: Request, phone: str) -> Any:
    """Get a virtual phone with its linked devices."""
    return await _call(request, "phone.get", phone=phone)


@sandbox.patch(
    _PHONE,
    scope=Scope.SANDBOX,
    body=shapes.PhoneChange,
    returns=shapes.VirtualPhone,
    errors=_KNOWN,
)
async def update(request: Request, phone: str, body: shapes.PhoneChange) -> Any:
    """Change a virtual phone."""
    return await _call(request, "phone.configure", body, phone=phone)


@sandbox.delete(_PHONE, scope=Scope.SANDBOX, status=204, errors=_KNOWN)
async def delete(request: Request, phone: str) -> None:
    """Delete a virtual phone; its linked devices are logged out."""
    await _call(request, "phone.delete", phone=phone)


@sandbox.get(
    f"{_PHONE}/inbox",
    scope=Scope.SANDBOX,
    query=shapes.InboxQuery,
    returns=shapes.Things,
    errors=_KNOWN,
)
async def inbox(request: Request, phone: str, query: shapes.InboxQuery) -> Any:
    """Read what the phone received and decrypted."""
    return await _list(request, "phone.inbox", query, phone=phone)


@sandbox.get(
    f"{_PHONE}/inbox/<message:str>/media",
    scope=Scope.SANDBOX,
    returns=shapes.ReceivedMedia,
    errors=_KNOWN,
)
async def media(request: Request, phone: str, message: str) -> Any:
    """Decrypt the file of a message that the phone received (by WhatsApp's id)."""
    return await _call(request, "phone.media", phone=phone, id=message)


@sandbox.get(
    f"{_PHONE}/events",
    scope=Scope.SANDBOX,
    query=shapes.PhoneEventsQuery,
    returns=shapes.Things,
    errors=_KNOWN,
)
async def phone_events(request: Request, phone: str, query: shapes.PhoneEventsQuery) -> Any:
    """Read what else the phone noticed: receipts, typing, presence."""
    return await _list(request, "phone.events", query, phone=phone)


def _action(
    path: str,
    method: str,
    name: str,
    about: str,
    body: type,
    returns: Any = None,
    errors: tuple[Any, ...] = _AT_WORK,
) -> Handler:
    """A route that has a phone do something."""
    status = 204 if returns is None else 200

    async def act(request: Request, body: Any, **named: str) -> Any:
        answer = await _call(request, method, body, **named)
        return None if status == 204 else answer

    act.__doc__, act.__name__ = about, name
    decorate = sandbox.post(
        f"{_PHONE}/{path}",
        scope=Scope.SANDBOX,
        body=body,
        returns=returns,
        status=status,
        errors=errors,
    )
    return decorate(act)


_PAIRING = (NotFound, PhoneOffline, PairingFailed, PairingRefused)

_action("scan", "phone.scan", "scan", "Scan a QR code.", shapes.ScanBody, shapes.Linked, _PAIRING)
_action(
    "link-code",
    "phone.link_code",
    "link_code",
    "Type a pairing code.",
    shapes.CodeBody,
    shapes.Linked,
    _PAIRING,
)
_action("unlink", "phone.unlink", "unlink", "Remove a linked device.", shapes.UnlinkBody)
_action("send", "phone.send", "send", "Send a message.", shapes.PhoneSend, shapes.Sent)
_action("read", "phone.read", "read", "Read messages.", shapes.PhoneRead)
_action("typing", "phone.typing", "typing", "Show typing in a chat.", shapes.PhoneTyping)
_action("presence", "phone.presence", "presence", "Look at WhatsApp.", shapes.PhonePresence)
_action(
    "online", "phone.online", "online", "Switch its network.", shapes.PhoneOnline, errors=_KNOWN
)
_action(
    "garble",
    "phone.garble",
    "garble",
    "Let its next messages not decrypt at first.",
    shapes.TimesBody,
    errors=_KNOWN,
)
_action(
    "refuse-pairing",
    "pairing.refuse",
    "refuse_pairing",
    "Refuse the next pairings.",
    shapes.TimesBody,
    errors=_KNOWN,
)
_action(
    "break",
    "device.break",
    "break_devices",
    "Break its linked devices' connections.",
    shapes.BreakBody,
    dict[str, Any],
    _KNOWN,
)
_action("groups", "group.create", "create_group", "Make a group.", shapes.NewGroup, dict[str, Any])
_action(
    "picture",
    "phone.picture",
    "set_picture",
    "Set the phone's picture.",
    shapes.PhonePicture,
    dict[str, Any],
)
_SAVING = (*_AT_WORK, BadRequest)
_action(
    "contacts",
    "phone.save_contact",
    "save_contact",
    "Save somebody in the phone's address book: linked devices send status posts to those in it.",
    shapes.SavedContact,
    errors=_SAVING,
)
_action(
    "contacts/import",
    "phone.save_contacts",
    "save_contacts",
    "Save many people in the phone's address book.",
    shapes.SavedContacts,
    errors=_SAVING,
)
_action(
    "contacts/remove",
    "phone.remove_contact",
    "remove_contact",
    "Remove somebody from the phone's address book.",
    shapes.RemoveContact,
    errors=_SAVING,
)
_action("call", "phone.call", "call", "Call somebody.", shapes.PhoneCall, dict[str, Any])
_action("hang-up", "phone.hang_up", "hang_up", "End a call.", shapes.HangUpBody)
_NEWSLETTER = "newsletters/<newsletter:str>"
_action(
    "newsletters",
    "newsletter.create",
    "create_newsletter",
    "Make a newsletter.",
    shapes.NewNewsletter,
    dict[str, Any],
)
_action(
    f"{_NEWSLETTER}/publish",
    "newsletter.publish",
    "publish",
    "Write to a newsletter's followers.",
    shapes.PublishBody,
    dict[str, Any],
    (*_AT_WORK, Conflict),
)
_action(
    f"{_NEWSLETTER}/react",
    "newsletter.react",
    "react",
    "React in a newsletter.",
    shapes.ReactBody,
)


@sandbox.get(f"{_PHONE}/{_NEWSLETTER}", scope=Scope.SANDBOX, returns=dict[str, Any], errors=_KNOWN)
async def get_newsletter(request: Request, phone: str, newsletter: str) -> Any:
    """Get a newsletter as the network keeps it."""
    return await _call(request, "newsletter.get", phone=phone, newsletter=newsletter)


_GROUP, _IN_GROUP = "groups/<group:str>", (NotFound, PhoneOffline, Conflict, BadRequest)


@sandbox.get(f"{_PHONE}/{_GROUP}", scope=Scope.SANDBOX, returns=dict[str, Any], errors=_KNOWN)
async def get_group(request: Request, phone: str, group: str) -> Any:
    """Get a group as the network keeps it."""
    return await _call(request, "group.get", phone=phone, group=group)


_action(
    f"{_GROUP}/participants",
    "group.participants",
    "group_participants",
    "Change who is in a group, and who is an admin; `invited` are those who must accept first.",
    shapes.GroupPeople,
    dict[str, Any],
    _IN_GROUP,
)
_action(
    f"{_GROUP}/update",
    "group.update",
    "update_group",
    "Change a group's name, topic or settings.",
    shapes.GroupChange,
    errors=_IN_GROUP,
)
_action(f"{_GROUP}/leave", "group.leave", "leave_group", "Leave a group.", NoBody, errors=_IN_GROUP)
_action(
    f"{_GROUP}/decide",
    "group.decide",
    "decide_group",
    "Let those in who ask to join, or not.",
    shapes.DecideBody,
    errors=_IN_GROUP,
)
_action(
    "join-group",
    "group.join",
    "join_group",
    "Join a group by its invite link.",
    shapes.JoinBody,
    dict[str, Any],
    _IN_GROUP,
)


_action(
    "accept-invite",
    "group.accept",
    "accept_invite",
    "Accept an invitation to a group that the phone was sent.",
    shapes.AcceptBody,
    dict[str, Any],
    _IN_GROUP,
)


@sandbox.post(f"{_PHONE}/forget-sessions", scope=Scope.SANDBOX, status=204, errors=_KNOWN)
async def forget_sessions(request: Request, phone: str) -> None:
    """Lose its Signal sessions, so that it asks for retries."""
    await _call(request, "phone.forget_sessions", phone=phone)


@sandbox.post(
    "/sandbox/load",
    scope=Scope.SANDBOX,
    body=shapes.NewLoad,
    returns=shapes.Load,
    status=201,
    errors=_KNOWN,
)
async def start_load(request: Request, body: shapes.NewLoad) -> Any:
    """Let phones send at a rate."""
    return await _call(request, "load.start", body)


@sandbox.get("/sandbox/load/<load:str>", scope=Scope.SANDBOX, returns=dict[str, Any], errors=_KNOWN)
async def load_stats(request: Request, load: str) -> Any:
    """See how far a load is."""
    return await _call(request, "load.stats", load=load)


@sandbox.delete(
    "/sandbox/load/<load:str>", scope=Scope.SANDBOX, returns=dict[str, Any], errors=_KNOWN
)
async def stop_load(request: Request, load: str) -> Any:
    """Stop a load."""
    return await _call(request, "load.stop", load=load)


@sandbox.get("/sandbox/network", scope=Scope.SANDBOX, returns=dict[str, Any])
async def stats(request: Request) -> Any:
    """Figures of the tenant's part of the network."""
    return await _call(request, "network.stats")


@sandbox.get(
    "/sandbox/arrived", scope=Scope.SANDBOX, query=shapes.JudgeQuery, returns=shapes.Things
)
async def arrived(request: Request, query: shapes.JudgeQuery) -> Any:
    """List messages that arrived at the network's server."""
    return await _list(request, "judge.arrived", query)


@sandbox.get("/sandbox/sent", scope=Scope.SANDBOX, query=shapes.SentQuery, returns=shapes.Things)
async def sent(request: Request, query: shapes.SentQuery) -> Any:
    """List messages that virtual phones sent."""
    return await _list(request, "judge.sent", query)


@sandbox.get(
    "/sandbox/connections",
    scope=Scope.SANDBOX,
    query=shapes.ConnectionsQuery,
    returns=shapes.Things,
)
async def connections(request: Request, query: shapes.ConnectionsQuery) -> Any:
    """List the devices' connections, past ones too."""
    return await _list(request, "judge.connections", query)


@sandbox.get("/sandbox/overlaps", scope=Scope.SANDBOX, returns=shapes.Things)
async def overlaps(request: Request) -> Any:
    """List the moments at which one device was connected twice: there should be none."""
    return await _list(request, "judge.overlaps")


@sandbox.post("/sandbox/reset", scope=Scope.SANDBOX, status=204)
async def reset(request: Request) -> None:
    """Forget what was counted so far."""
    await _call(request, "judge.reset")
