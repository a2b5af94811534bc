"""The library's events that need nothing but telling: each as facts for readers.

They are translated on the connection's own thread, where the library can be asked for the other
address of a person (it has stored what the event itself told).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from wa_api.domain.addresses import GROUP
from wa_api.domain.data import Data
from wa_api.domain.directory import BlocklistChanged, PictureChanged
from wa_api.domain.groups import GroupChanged, GroupJoined, ParticipantsChanged, SubGroupChange
from wa_api.domain.messages import Address
from wa_api.domain.newsletters import (
    NewsletterJoined,
    NewsletterLeft,
    NewsletterMuteChanged,
    NewsletterUpdated,
)
from wa_api.domain.profile import CallEnded, CallReceived
from workers.engine.calls.call import known_as
from workers.engine.calls.groups import group_of
from workers.engine.calls.newsletters import message_of, newsletter_of
from workers.engine.convert.jids import jid_of
from workers.engine.neonize import Client, proto

_LINKS = {
    proto.GroupLinkChange.PARENT: "parent",
    proto.GroupLinkChange.SUB: "sub",
    proto.GroupLinkChange.SIBLING: "sibling",
}


def _joined(client: Client, event: Any) -> Iterator[Data]:
    group = group_of(client, event.GroupInfo)
    client.memory.groups.forget(group.id)
    yield GroupJoined(group=group, reason=event.Reason or None)


def _group(client: Client, event: Any) -> Iterator[Data]:
    group = str(jid_of(event.JID))
    client.memory.groups.forget(group)
    by = known_as(client, event.Sender)
    changed = _changed(event)
    if changed:
        yield GroupChanged(group=group, by=by, **changed)
    reason = event.JoinReason or None
    moves = (
        ("added", event.Join, reason),
        ("removed", event.Leave, None),
        ("promoted", event.Promote, None),
        ("demoted", event.Demote, None),
    )
    for change, jids, why in moves:
        people = _people(client, jids)
        if people:
            yield ParticipantsChanged(
                group=group,
                change=change,  # type: ignore[arg-type]  # one of the four
                participants=people,
                by=by,
                reason=why,
            )


def _changed(event: Any) -> dict[str, Any]:
    """The fields of a GroupChanged that the event has."""
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "Name": ("name", lambda it: it.Name),
        "Topic": ("topic", lambda it: it.Topic),
        "Announce": ("announce", lambda it: it.IsAnnounce),
        "Locked": ("locked", lambda it: it.isLocked),
        "Ephemeral": ("disappearing", lambda it: it.DisappearingTimer),
        "NewInviteLink": ("invite_link", str),
        "Link": ("linked", _link),
        "Unlink": ("unlinked", _link),
        "Delete": ("deleted", lambda it: it.DeletedReason or "deleted"),
    }
    return {
        name: read(getattr(event, field))
        for field, (name, read) in readers.items()
        if event.HasField(field)
    }


def _link(change: Any) -> SubGroupChange:
    target = change.Group
    kind = _LINKS.get(change.Type, "sub")
    return SubGroupChange(id=str(jid_of(target.JID)), name=target.GroupName.Name, kind=kind)


def _people(client: Client, jids: Any) -> list[Address]:
    return [one for jid in jids if (one := known_as(client, jid)) is not None]


def _picture(client: Client, event: Any) -> Iterator[Data]:
    whose = jid_of(event.JID)
    if whose is not None and whose.server == GROUP:
        by = known_as(client, event.Author)
        picture = "removed" if event.Remove else "set"
        yield GroupChanged(group=str(whose), by=by, picture=picture)  # type: ignore[arg-type]
    elif (contact := known_as(client, event.JID)) is not None:
        yield PictureChanged(contact=contact, removed=event.Remove)


def _blocklist(client: Client, event: Any) -> Iterator[Data]:
    sides: dict[int, list[Address]] = {
        proto.BlocklistChange.BLOCK: [],
        proto.BlocklistChange.UNBLOCK: [],
    }
    for change in event.Changes:
        sides[change.BlockAction] += _people(client, [change.JID])
    yield BlocklistChanged(
        blocked=sides[proto.BlocklistChange.BLOCK], unblocked=sides[proto.BlocklistChange.UNBLOCK]
    )


def _offered(client: Client, event: Any) -> Iterator[Data]:
    call, caller = event.basicCallMeta.callID, _caller(client, event)
    if caller is None:
        return
    client.memory.calls.begin(call, getattr(event.basicCallMeta, "from"))
    notice = isinstance(event, proto.CallOfferNotice)
    video = event.media == "video" if notice else _has_video(event.data)
    yield CallReceived(call=call, caller=caller, video=video, group=notice)


def _has_video(offer: Any) -> bool:
    return any(child.Tag == "video" for child in offer.Nodes)


def _ended(client: Client, event: Any) -> Iterator[Data]:
    call, caller = event.basicCallMeta.callID, _caller(client, event)
    client.memory.calls.end(call)
    if caller is not None:
        yield CallEnded(call=call, caller=caller, reason=event.reason or None)


def _caller(client: Client, event: Any) -> Address | None:
    return known_as(client, event.basicCallMeta.callCreator)


def _followed(client: Client, event: Any) -> Iterator[Data]:
    yield NewsletterJoined(newsletter=newsletter_of(event.NewsletterMetadata))


def _unfollowed(client: Client, event: Any) -> Iterator[Data]:
    yield NewsletterLeft(newsletter=str(jid_of(event.ID)))


def _muted(client: Client, event: Any) -> Iterator[Data]:
    yield NewsletterMuteChanged(newsletter=str(jid_of(event.ID)), muted=event.Mute == proto.ON)


def _updated(client: Client, event: Any) -> Iterator[Data]:
    messages = [message_of(each) for each in event.Messages]
    if messages:
        yield NewsletterUpdated(newsletter=str(jid_of(event.JID)), messages=messages)


#: By the library's class of event.
NEWS: dict[type, Callable[[Client, Any], Iterator[Data]]] = {
    proto.JoinedGroup: _joined,
    proto.GroupInfoEvent: _group,
    proto.Picture: _picture,
    proto.BlocklistEvent: _blocklist,
    proto.NewsletterJoin: _followed,
    proto.NewsletterLeave: _unfollowed,
    proto.NewsletterMuteChange: _muted,
    proto.NewsletterLiveUpdate: _updated,
    proto.CallOffer: _offered,
    proto.CallOfferNotice: _offered,
    proto.CallTerminate: _ended,
}
