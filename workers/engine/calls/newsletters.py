"""Asks about newsletters, at the library."""

from __future__ import annotations

from typing import Any

import msgspec

from wa_api.domain.newsletters import (
    CreateNewsletter,
    FindNewsletter,
    FollowNewsletter,
    GetNewsletter,
    ListNewsletterMessages,
    ListNewsletters,
    MuteNewsletter,
    Newsletter,
    NewsletterList,
    NewsletterMessage,
    NewsletterMessages,
    ReactToNewsletter,
    Role,
    Watched,
    WatchNewsletter,
)
from wa_api.domain.refusals import NewsletterNotFound, NotNewsletterAdmin
from workers.engine.calls.call import Call, Calls, remote, stamp
from workers.engine.convert.jids import jid_of
from workers.engine.convert.messages import content_of
from workers.engine.neonize import Client, LibraryError, proto

LINK = "https://whatsapp.com/channel/"
_ROLES: dict[int, Role] = {
    proto.OWNER: "owner",
    proto.ADMIN: "admin",
    proto.SUBSCRIBER: "follower",
    proto.GUEST: "guest",
}
_STATES = {
    proto.WrappedNewsletterState.ACTIVE: "active",
    proto.WrappedNewsletterState.SUSPENDED: "suspended",
    proto.WrappedNewsletterState.GEOSUSPENDED: "geosuspended",
}


def newsletter_of(meta: Any) -> Newsletter:
    """A newsletter as readers see it."""
    about, own = meta.ThreadMeta, meta.ViewerMeta if meta.HasField("ViewerMeta") else None
    return Newsletter(
        id=str(jid_of(meta.ID)),
        name=about.Name.Text,
        description=about.Description.Text,
        link=f"{LINK}{about.InviteCode}" if about.InviteCode else None,
        followers=about.SubscriberCount,
        verified=about.VerificationState == about.VERIFIED,
        state=_STATES.get(meta.State.Type, "active"),
        created_at=stamp(about.CreationTime) if about.CreationTime > 0 else None,
        role=None if own is None else _ROLES.get(own.Role),
        muted=None if own is None else own.Mute == proto.ON,
        picture_id=about.Picture.ID or about.Preview.ID or None,
    )


def message_of(message: Any) -> NewsletterMessage:
    """A message, or the present figures of one."""
    content = content_of(message.Message) if message.HasField("Message") else None
    shown = None if content is None else msgspec.to_builtins(content)
    return NewsletterMessage(
        server_id=message.MessageServerID,
        type=None if shown is None else shown.pop("type"),
        content=shown,
        views=message.ViewsCount,
        reactions={one.type: one.count for one in message.ReactionCounts},
    )


def _known(meta: Any) -> Newsletter:
    if not meta.ID.User:
        raise LibraryError("server returned error 404")
    return newsletter_of(meta)


def _list(client: Client, _: ListNewsletters) -> NewsletterList:
    found = client.do("get_subscribed_newletters")
    return NewsletterList(items=[newsletter_of(each) for each in found])


def _get(client: Client, what: GetNewsletter) -> Newsletter:
    return _known(client.do("get_newsletter_info", remote(what.newsletter)))


def _find(client: Client, what: FindNewsletter) -> Newsletter:
    return _known(client.do("get_newsletter_info_with_invite", what.link))


def _create(client: Client, what: CreateNewsletter) -> Newsletter:
    return _known(client.do("create_newsletter", what.name, what.description, what.image))


def _follow(client: Client, what: FollowNewsletter) -> None:
    method = "follow_newsletter" if what.follow else "unfollow_newsletter"
    client.do(method, remote(what.newsletter))


def _mute(client: Client, what: MuteNewsletter) -> None:
    client.do("newsletter_toggle_mute", remote(what.newsletter), what.muted)


def _messages(client: Client, what: ListNewsletterMessages) -> NewsletterMessages:
    found = client.do("get_newsletter_messages", remote(what.newsletter), what.count, what.before)
    return NewsletterMessages(items=[message_of(each) for each in found])


def _react(client: Client, what: ReactToNewsletter) -> None:
    # An empty id lets the library make one.
    where = remote(what.newsletter)
    client.do("newsletter_send_reaction", where, what.server_id, what.emoji, "")


def _watch(client: Client, what: WatchNewsletter) -> Watched:
    nanoseconds = client.do("newsletter_subscribe_live_updates", remote(what.newsletter))
    return Watched(seconds=nanoseconds // 10**9)


_REFUSED = {403: NotNewsletterAdmin.code, 404: NewsletterNotFound.code}

CALLS: Calls = {
    ListNewsletters: Call(_list),
    GetNewsletter: Call(_get, _REFUSED),
    FindNewsletter: Call(_find, _REFUSED),
    CreateNewsletter: Call(_create),
    FollowNewsletter: Call(_follow, _REFUSED),
    MuteNewsletter: Call(_mute, _REFUSED),
    ListNewsletterMessages: Call(_messages, _REFUSED),
    ReactToNewsletter: Call(_react, _REFUSED),
    WatchNewsletter: Call(_watch, _REFUSED),
}
