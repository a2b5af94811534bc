"""Newsletters: WhatsApp's channels."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from wa_api.domain.addresses import NEWSLETTER
from wa_api.domain.errors import InvalidAddress, MediaNotFound
from wa_api.domain.newsletters import (
    MAX_ABOUT,
    MAX_NAME,
    MOST_MESSAGES,
    CreateNewsletter,
    FindNewsletter,
    FollowNewsletter,
    GetNewsletter,
    ListNewsletterMessages,
    ListNewsletters,
    MuteNewsletter,
    Newsletter,
    NewsletterList,
    NewsletterMessages,
    ReactToNewsletter,
    Watched,
    WatchNewsletter,
)
from wa_api.domain.principals import Scope
from wa_api.domain.refusals import InvalidImage, NewsletterNotFound
from wa_api.http.asking import Asked, Image, Kept, address, both
from wa_api.http.bodies import Body, Query
from wa_api.http.routes import Resource

newsletters = Resource("newsletters", "Newsletters (channels): one writes, many follow.")

_READ, _WRITE = Scope.MESSAGES_READ, Scope.MESSAGES_WRITE
_ONE = "/newsletters/<newsletter:str>"
_KNOWN = (InvalidAddress, NewsletterNotFound)

ServerId = Annotated[int, Meta(ge=1, lt=1 << 31)]


class NewNewsletter(Body):
    """A newsletter, perhaps with a picture."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    description: Annotated[str, Meta(max_length=MAX_ABOUT)] = ""
    image: Image | None = None
    media: Kept | None = None


class NewsletterLinkQuery(Query):
    """A newsletter's link."""

    link: Annotated[
        str,
        Meta(
            pattern=r"^(https://(www\.)?whatsapp\.com/channel/)?[A-Za-z0-9]{10,64}$",
            description="`https://whatsapp.com/channel/…`, or the code alone.",
        ),
    ]


class NewsletterMessagesQuery(Query):
    """The last `count` messages, or the last before `before` (a `server_id`)."""

    count: Annotated[int, Meta(ge=1, le=MOST_MESSAGES)] = 50
    before: Annotated[int, Meta(ge=0, lt=1 << 31)] = 0


class NewsletterReaction(Body):
    """An emoji; an empty one takes the reaction back."""

    server_id: ServerId
    emoji: Annotated[str, Meta(max_length=32)]


def _newsletter(text: str) -> str:
    return address(text, NEWSLETTER)


@both(newsletters, "GET", "/newsletters", "newsletter.list", scope=_READ, returns=NewsletterList)
async def list_all(asked: Asked) -> Any:
    """List the newsletters that the number follows or writes."""
    return await asked.answer(ListNewsletters())


@both(
    newsletters,
    "POST",
    "/newsletters",
    "newsletter.create",
    scope=_WRITE,
    body=NewNewsletter,
    returns=Newsletter,
    status=201,
    errors=(InvalidImage, MediaNotFound),
)
async def create(asked: Asked, body: NewNewsletter) -> Any:
    """Create a newsletter.

    WhatsApp demands that its terms for newsletters were accepted once, on the phone.
    """
    image = b""
    if body.image is not None or body.media is not None:
        image = await asked.avatar(body.image, body.media)
    return await asked.answer(
        CreateNewsletter(name=body.name, description=body.description, image=image)
    )


@both(
    newsletters,
    "GET",
    "/newsletters/by-link",
    "newsletter.find",
    scope=_READ,
    query=NewsletterLinkQuery,
    returns=Newsletter,
    errors=(NewsletterNotFound,),
)
async def find(asked: Asked, query: NewsletterLinkQuery) -> Any:
    """See which newsletter a link leads to."""
    return await asked.answer(FindNewsletter(link=query.link))


@both(newsletters, "GET", _ONE, "newsletter.get", scope=_READ, returns=Newsletter, errors=_KNOWN)
async def get(asked: Asked, newsletter: str) -> Any:
    """Get a newsletter."""
    return await asked.answer(GetNewsletter(newsletter=_newsletter(newsletter)))


@both(
    newsletters,
    "GET",
    f"{_ONE}/messages",
    "newsletter.messages",
    scope=_READ,
    query=NewsletterMessagesQuery,
    returns=NewsletterMessages,
    errors=_KNOWN,
)
async def messages(asked: Asked, newsletter: str, query: NewsletterMessagesQuery) -> Any:
    """List messages of a newsletter, with their views and reactions."""
    return await asked.answer(
        ListNewsletterMessages(
            newsletter=_newsletter(newsletter), count=query.count, before=query.before
        )
    )


@both(
    newsletters,
    "POST",
    f"{_ONE}/react",
    "newsletter.react",
    scope=_WRITE,
    body=NewsletterReaction,
    status=204,
    errors=_KNOWN,
)
async def react(asked: Asked, newsletter: str, body: NewsletterReaction) -> None:
    """React to a message of a newsletter."""
    await asked.answer(
        ReactToNewsletter(
            newsletter=_newsletter(newsletter), server_id=body.server_id, emoji=body.emoji
        )
    )


@both(
    newsletters,
    "POST",
    f"{_ONE}/watch",
    "newsletter.watch",
    scope=_READ,
    returns=Watched,
    errors=_KNOWN,
)
async def watch(asked: Asked, newsletter: str) -> Any:
    """Have changes of views and reactions told as `newsletter.updated`, for some minutes."""
    return await asked.answer(WatchNewsletter(newsletter=_newsletter(newsletter)))


def _switch(name: str, about: str, order: Any) -> None:
    """A route that switches something of a newsletter on or off."""

    async def act(asked: Asked, newsletter: str) -> None:
        await asked.answer(order(_newsletter(newsletter)))

    act.__name__, act.__doc__ = name, about
    both(
        newsletters,
        "POST",
        f"{_ONE}/{name}",
        f"newsletter.{name}",
        scope=_WRITE,
        status=204,
        errors=_KNOWN,
    )(act)


_switch("follow", "Follow a newsletter.", lambda one: FollowNewsletter(newsletter=one))
_switch(
    "unfollow",
    "Follow a newsletter no longer.",
    lambda one: FollowNewsletter(newsletter=one, follow=False),
)
_switch("mute", "Mute a newsletter.", lambda one: MuteNewsletter(newsletter=one))
_switch("unmute", "Unmute a newsletter.", lambda one: MuteNewsletter(newsletter=one, muted=False))
