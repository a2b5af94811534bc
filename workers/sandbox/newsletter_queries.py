"""What companions and phones do with newsletters, and how followers hear of it."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from workers.sandbox.accounts import Account
from workers.sandbox.errors import QueryError
from workers.sandbox.newsletters import Newsletter, Post
from workers.sandbox.wire import Jid, Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network

WATCH_SECONDS = 300
NOT_FOUND, NOT_OWNER = 404, 403


def _named(network: Network, jid: str) -> Newsletter:
    found = network.newsletters.find(Jid.parse(jid))
    if found is None:
        raise QueryError(NOT_FOUND, "there is no such newsletter")
    return found


# --- GraphQL


def _create(network: Network, account: Account, given: dict[str, Any]) -> dict[str, Any]:
    wanted = given["newsletter_input"]
    made = network.newsletters.create(account, wanted["name"], wanted.get("description", ""))
    if wanted.get("picture"):
        data = b64decode(wanted["picture"])
        made.picture = (str(time.time_ns()), network.media.put(data))
        network.newsletters.save(made)
    return {"xwa2_newsletter_create": made.describe(account)}


def _fetch(network: Network, account: Account, given: dict[str, Any]) -> dict[str, Any]:
    key, by_link = given["input"]["key"], given["input"]["type"] == "INVITE"
    found = network.newsletters.by_invite(key) if by_link else _named(network, key)
    if found is None:
        raise QueryError(NOT_FOUND, "there is no such newsletter")
    viewer = account if given.get("fetch_viewer_metadata") else None
    return {"xwa2_newsletter": found.describe(viewer)}


def _subscribed(network: Network, account: Account, given: dict[str, Any]) -> dict[str, Any]:
    followed = [one.describe(account) for one in network.newsletters.of(account)]
    return {"xwa2_newsletter_subscribed": followed}


def _follow(network: Network, account: Account, given: dict[str, Any]) -> dict[str, Any]:
    one = _named(network, given["newsletter_id"])
    one.followers.setdefault(account.id, False)
    network.newsletters.save(one)
    _tell(network, account, "on_join", one.describe(account))
    return {}


def _unfollow(network: Network, account: Account, given: dict[str, Any]) -> dict[str, Any]:
    one = _named(network, given["newsletter_id"])
    one.followers.pop(account.id, None)
    network.newsletters.save(one)
    _tell(network, account, "on_leave", {"id": str(one.jid), "role": one.role(account)})
    return {}


def _mute(network: Network, account: Account, given: dict[str, Any]) -> dict[str, Any]:
    return _set_muted(network, account, given, True)


def _unmute(network: Network, account: Account, given: dict[str, Any]) -> dict[str, Any]:
    return _set_muted(network, account, given, False)


def _set_muted(
    network: Network, account: Account, given: dict[str, Any], muted: bool
) -> dict[str, Any]:
    one = _named(network, given["newsletter_id"])
    if account.id not in one.followers:
        raise QueryError(NOT_OWNER, "not followed")
    one.followers[account.id] = muted
    network.newsletters.save(one)
    _tell(
        network, account, "on_mute_change", {"id": str(one.jid), "mute": "ON" if muted else "OFF"}
    )
    return {}


def _tell(network: Network, account: Account, what: str, data: dict[str, Any]) -> None:
    """All the account's companions hear what one of them did."""
    news = {"data": {f"xwa2_notify_newsletter_{what}": data}}
    for device in account.devices:
        attrs = {"from": account.pn_jid, "type": "mex", "id": network.stanza_id()}
        update = Node("update", {"op_name": f"NotificationNewsletter_{what}"}, orjson.dumps(news))
        note = Node("notification", {**attrs, "t": int(time.time())}, [update])
        network.deliver(account, device, note)


Graph = Callable[["Network", Account, dict[str, Any]], dict[str, Any]]

#: By WhatsApp's numbers of the queries.
GRAPH: dict[str, Graph] = {
    "6234210096708695": _create,
    "6563316087068696": _fetch,
    "6388546374527196": _subscribed,
    "9926858900719341": _follow,
    "6392786840836363": _unfollow,
    "6274038279359549": _mute,
    "6068417879924485": _unmute,
}


# --- messages


def answer(connection: Connection, request: Node) -> Node | None:
    """A companion reads messages, or wants to hear of reactions for some minutes."""
    network = connection.network
    if request.tag == "live_updates":
        one = network.newsletters.find(connection.query_target)
        if one is None:
            raise QueryError(NOT_FOUND, "item-not-found")
        connection.watched[one.id] = time.monotonic() + WATCH_SECONDS
        return Node("live_updates", {"duration": WATCH_SECONDS})
    one = network.newsletters.find(request.jid("jid"))
    if request.tag != "messages" or one is None:
        raise QueryError(NOT_FOUND, "item-not-found")
    before, count = int(request.get("before", "0")), int(request.get("count", "50"))
    posts = [post for post in one.posts if not before or post.number < before][-count:]
    for post in posts:
        post.views += 1
    network.newsletters.save(one)
    shown = [_figures(post, [Node("plaintext", content=post.body)]) for post in posts]
    return Node("messages", {"jid": one.jid, "t": int(time.time())}, shown)


def _figures(post: Post, content: list[Node]) -> Node:
    attrs = {"id": post.id, "server_id": post.number, "type": post.type, "t": int(post.at)}
    counts = [Node("reaction", {"code": c, "count": n}) for c, n in post.counts().items()]
    figures = [Node("views_count", {"count": post.views}), Node("reactions", content=counts)]
    return Node("message", attrs, [*content, *figures])


def submit(network: Network, sender: Account, device: int, node: Node, to: Jid) -> int:
    """A companion writes to a newsletter or reacts in it; the error's number, or 0."""
    one = network.newsletters.find(to)
    if one is None:
        return NOT_FOUND
    if node.get("type") == "reaction":
        reaction, post = node.find("reaction"), one.find(int(node.get("server_id", "0")))
        if post is None:
            return NOT_FOUND
        react(network, sender, one, post, reaction.get("code") if reaction is not None else "")
        return 0
    body = node.find("plaintext")
    if sender.id != one.owner or body is None:
        return NOT_OWNER
    publish(network, one, node.get("id"), node.get("type"), body.data, but=(sender.id, device))
    return 0


def publish(
    network: Network,
    one: Newsletter,
    id: str,
    type: str,
    body: bytes,
    but: tuple[str, int] = ("", 0),
) -> Post:
    """A message for all followers, but the device that wrote it."""
    post = one.post(id, type, body)
    network.newsletters.save(one)
    for follower in one.followers:
        account = network.directory.by_id(follower)
        for device in account.devices if account is not None else ():
            if (follower, device) == but or account is None:
                continue
            attrs = {"from": one.jid, "id": id, "t": int(post.at), "type": type}
            content = [Node("plaintext", content=body)]
            stanza = Node("message", {**attrs, "server_id": post.number}, content)
            network.deliver(account, device, stanza)
    return post


def react(network: Network, who: Account, one: Newsletter, post: Post, emoji: str) -> None:
    """Gives or takes back a reaction; those who watch hear the new figures."""
    post.reactions.pop(who.id, None)
    if emoji:
        post.reactions[who.id] = emoji
    network.newsletters.save(one)
    now = time.monotonic()
    for connection in list(network.connections.values()):
        if connection.watched.get(one.id, 0.0) > now:
            attrs = {"from": one.jid, "type": "newsletter", "id": network.stanza_id()}
            updates = Node("live_updates", content=[_figures(post, [])])
            connection.send(Node("notification", {**attrs, "t": int(time.time())}, [updates]))
