"""Privacy settings, block lists, about texts and pictures: as little as clients need."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from workers.sandbox.accounts import Account
from workers.sandbox.asker import FORBIDDEN, NOT_ACCEPTABLE, NOT_FOUND
from workers.sandbox.errors import QueryError
from workers.sandbox.groups import Group
from workers.sandbox.media import MEDIA_HOST
from workers.sandbox.newsletter_queries import GRAPH
from workers.sandbox.wire import Jid, Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network

log = structlog.get_logger()

JPEG = b"\xff\xd8\xff"
SET_ABOUT = "9152604461510864"
_DEFAULTS = {
    "groupadd": "all",
    "last": "all",
    "status": "contacts",
    "profile": "all",
    "readreceipts": "all",
    "online": "all",
    "calladd": "all",
}


def privacy(connection: Connection, request: Node) -> Node | None:
    """Reads or changes settings; privacy tokens are taken and forgotten."""
    account = connection.account
    if account is None or request.tag == "tokens":
        return None
    for category in request.find_all("category"):
        account.privacy[category.get("name")] = category.get("value")
        connection.network.directory.save(account)
    settings = _DEFAULTS | account.privacy
    children = [Node("category", {"name": k, "value": v}) for k, v in settings.items()]
    return Node("privacy", content=children)


def blocklist(connection: Connection, request: Node) -> Node | None:
    """Reads or changes the list of blocked numbers."""
    account, _ = connection.owner
    jid = request.jid("jid")
    if request.tag == "item" and jid is not None:
        if request.get("action") == "block" and str(jid) not in account.blocked:
            account.blocked.append(str(jid))
        elif request.get("action") == "unblock" and str(jid) in account.blocked:
            account.blocked.remove(str(jid))
        connection.network.directory.save(account)
    digest = hashlib.sha256(" ".join(account.blocked).encode()).hexdigest()[:12]
    items = [Node("item", {"jid": Jid.parse(jid)}) for jid in account.blocked]
    return Node("list", {"dhash": digest}, items)


def about(connection: Connection, request: Node) -> Node | None:
    """Sets the account's about text; tells who sees its status posts."""
    account = connection.account
    if account is not None and request.tag == "privacy":
        kind, people = account.status_list
        users = [Node("user", {"jid": Jid.parse(jid)}) for jid in people]
        return Node("privacy", content=[Node("list", {"type": kind, "default": "true"}, users)])
    if account is not None and request.tag == "status":
        account.about = request.data.decode(errors="replace")
        connection.network.directory.save(account)
    return None


def picture(connection: Connection, request: Node) -> Node | None:
    """Reads or sets the picture of an account or a group."""
    network, (account, _) = connection.network, connection.owner
    target = connection.query_attrs.get("target")
    jid = Jid.parse(str(target)) if target else account.pn_jid
    if connection.query_type == "get":
        return shown_picture(network, jid, request)
    group = network.groups.find(jid)
    if group is not None and group.locked and not group.is_admin(account):
        raise QueryError(FORBIDDEN, "forbidden")
    data = request.data if request.tag == "picture" else b""
    if data and not data.startswith(JPEG):
        raise QueryError(NOT_ACCEPTABLE, "not-acceptable")
    made = set_picture(network, account, group, data)
    return Node("picture", {"id": made}) if made else None


def shown_picture(network: Network, jid: Jid, request: Node) -> Node:
    """The picture of an account or a group; 204 where there is none, 304 where it is known."""
    owner = network.groups.find(jid) or network.directory.find(jid)
    if owner is None or owner.picture is None:
        return Node("picture", {"status": "204"})
    id, path = owner.picture
    if request.get("id") == id:
        return Node("picture", {"status": "304"})
    where = {"url": f"https://{MEDIA_HOST}{path}", "direct_path": path}
    return Node("picture", {"id": id, "type": request.get("type", "image"), **where})


def set_picture(network: Network, by: Account, group: Group | None, data: bytes) -> str:
    """Gives an account or a group another picture, or none; the new id. Readers are told."""
    id = str(time.time_ns())
    made = (id, network.media.put(data)) if data else None
    if group is not None:
        group.picture = made
        network.groups.save(group)
        _tell_picture(network, by, group.jid, list(group.members), made)
    else:
        by.picture = made
        network.directory.save(by)
        friends = [one.id for one in network.directory if one.tenant == by.tenant]
        _tell_picture(network, by, by.lid_jid, friends, made)
    return id if made else ""


def _tell_picture(
    network: Network, by: Account, whose: Jid, readers: list[str], made: tuple[str, str] | None
) -> None:
    attrs = {"jid": whose, "author": by.lid_jid, "id": made[0] if made else None}
    child = Node("set" if made else "delete", attrs)
    for id in readers:
        reader = network.directory.by_id(id)
        for device in reader.devices if reader is not None else ():
            about = {"from": whose, "type": "picture", "id": network.stanza_id()}
            note = Node("notification", {**about, "t": int(time.time())}, [child])
            network.deliver(reader, device, note)  # type: ignore[arg-type]  # it has devices


def graph(connection: Connection, request: Node) -> Node | None:
    """Queries in GraphQL: the about text, and newsletters."""
    query = _GRAPH.get(request.get("query_id"))
    try:
        if query is None:
            raise QueryError(501, "not in the sandbox")
        variables = orjson.loads(request.data)["variables"]
        data = query(connection.network, connection.owner[0], variables)
    except QueryError as error:
        log.info("sandbox.graph_refused", stanza=request.shape(), code=error.code)
        about = {"error_code": error.code, "is_retryable": False, "severity": "CRITICAL"}
        failure = {"message": error.text, "extensions": about}
        return Node("result", content=orjson.dumps({"data": None, "errors": [failure]}))
    return Node("result", content=orjson.dumps({"data": data}))


def _set_about(network: Network, account: Account, given: dict[str, Any]) -> dict[str, Any]:
    account.about = given["input"]["text"]
    network.directory.save(account)
    return {}


_GRAPH = {SET_ABOUT: _set_about, **GRAPH}


def contact_link(connection: Connection, request: Node) -> Node | None:
    """The code of one's own contact link, perhaps a new one; or whose link a code is."""
    account, directory = connection.owner[0], connection.network.directory
    if connection.query_type == "get":
        code = request.get("code")
        found = next((one for one in directory if code and one.link == code), None)
        if found is None:
            raise QueryError(NOT_FOUND, "item-not-found")
        return Node("qr", {"jid": found.lid_jid, "type": "contact", "notify": found.name})
    if not account.link or request.get("action") == "revoke":
        account.link = secrets.token_hex(7).upper()
        directory.save(account)
    return Node("qr", {"code": account.link, "type": "contact"})


def disappearing(connection: Connection, request: Node) -> Node | None:
    """How long messages of new chats last."""
    account, _ = connection.owner
    account.disappearing = int(request.get("duration", "0"))
    connection.network.directory.save(account)
    return None
