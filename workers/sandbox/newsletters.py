"""Newsletters: one writes, many follow. Nothing in them is encrypted."""

from __future__ import annotations

import secrets
import time
from typing import Any

import msgspec

from workers.sandbox.accounts import Account
from workers.sandbox.state import State
from workers.sandbox.wire import Jid
from workers.sandbox.wire import jid as jids

KIND = "newsletter"
MOST_MESSAGES = 1000


class Post(msgspec.Struct):
    """A message; `reactions` by account."""

    number: int
    id: str
    at: float
    type: str
    body: bytes
    views: int = 0
    reactions: dict[str, str] = {}

    def counts(self) -> dict[str, int]:
        """How often each emoji was given."""
        given = list(self.reactions.values())
        return {emoji: given.count(emoji) for emoji in dict.fromkeys(given)}


class Newsletter(msgspec.Struct):
    """`followers` maps account ids to whether they muted it; the owner is one."""

    id: str
    tenant: str
    owner: str
    name: str
    description: str
    created_at: float
    followers: dict[str, bool]
    picture: tuple[str, str] | None = None
    posts: list[Post] = []
    last: int = 0
    invite: str = msgspec.field(default_factory=lambda: secrets.token_hex(11).upper())

    @property
    def jid(self) -> Jid:
        """Its address."""
        return Jid(self.id, jids.NEWSLETTER)

    def post(self, id: str, type: str, body: bytes) -> Post:
        """Adds a message."""
        self.last += 1
        made = Post(self.last, id, time.time(), type, body)
        self.posts = [*self.posts, made][-MOST_MESSAGES:]
        return made

    def find(self, number: int) -> Post | None:
        """A message by its number."""
        return next((post for post in self.posts if post.number == number), None)

    def describe(self, viewer: Account | None) -> dict[str, Any]:
        """As GraphQL answers show it; with `viewer`, what it is to that account."""
        made = str(int(self.created_at))
        shown: dict[str, Any] = {
            "id": str(self.jid),
            "state": {"type": "ACTIVE"},
            "thread_metadata": {
                "creation_time": made,
                "invite": self.invite,
                "name": {"text": self.name, "id": "1", "update_time": f"{made}000000"},
                "description": {
                    "text": self.description,
                    "id": "1",
                    "update_time": f"{made}000000",
                },
                "subscribers_count": str(len(self.followers)),
                "verification": "UNVERIFIED",
                "picture": self._picture("IMAGE"),
                "preview": self._picture("PREVIEW") or {},
                "settings": {"reaction_codes": {"value": "ALL"}},
            },
        }
        if viewer is not None:
            muted = self.followers.get(viewer.id, False)
            shown["viewer_metadata"] = {"mute": "ON" if muted else "OFF", "role": self.role(viewer)}
        return shown

    def _picture(self, type: str) -> dict[str, str] | None:
        if self.picture is None:
            return None
        return {"id": self.picture[0], "type": type, "direct_path": self.picture[1], "url": ""}

    def role(self, viewer: Account) -> str:
        """What the newsletter is to an account."""
        if viewer.id == self.owner:
            return "OWNER"
        return "SUBSCRIBER" if viewer.id in self.followers else "GUEST"


class Newsletters:
    """All newsletters; changes are saved."""

    def __init__(self, state: State) -> None:
        """Those of an earlier run."""
        self._state = state
        self._all: dict[str, Newsletter] = {}
        for _, row in state.load(KIND):
            one = msgspec.msgpack.decode(row, type=Newsletter)
            self._all[one.id] = one

    def create(self, owner: Account, name: str, description: str) -> Newsletter:
        """A new one, which its owner follows."""
        id = "120363" + str(secrets.randbelow(9 * 10**11) + 10**11)
        now = time.time()
        made = Newsletter(id, owner.tenant, owner.id, name, description, now, {owner.id: False})
        self._all[id] = made
        self.save(made)
        return made

    def save(self, one: Newsletter) -> None:
        """Marks one as changed."""
        self._state.put(KIND, one.id, lambda: msgspec.msgpack.encode(one))

    def find(self, jid: Jid | None) -> Newsletter | None:
        """By its address."""
        return (
            self._all.get(jid.user) if jid is not None and jid.server == jids.NEWSLETTER else None
        )

    def by_invite(self, code: str) -> Newsletter | None:
        """By its link's code."""
        return next((one for one in self._all.values() if one.invite == code), None)

    def of(self, account: Account) -> list[Newsletter]:
        """Those that an account follows."""
        return [one for one in self._all.values() if account.id in one.followers]
