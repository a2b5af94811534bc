"""Queries of clients: one table of handlers; what is unknown gets an empty result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from workers.sandbox import (
    group_queries,
    login,
    newsletter_queries,
    pairing,
    prekeys,
    profiles,
    syncing,
    usync,
)
from workers.sandbox.errors import QueryError
from workers.sandbox.media import MEDIA_HOST
from workers.sandbox.wire import Node
from workers.sandbox.wire.jid import SERVER

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection

log = structlog.get_logger()


Handler = Callable[["Connection", Node], "Node | None"]


def handle(connection: Connection, node: Node) -> None:
    """Answers a query, or takes the answer to one of the server's own."""
    if node.get("type") in ("result", "error"):
        waiting = connection.on_result.get(node.get("id"))
        if waiting is not None and not waiting.done():
            waiting.set_result(node)
        return
    attrs = {"id": node.get("id"), "from": node.jid("to") or SERVER}
    try:
        child = _answer(connection, node)
    except QueryError as error:
        details = Node("error", {"code": error.code, "text": str(error)})
        connection.send(Node("iq", {**attrs, "type": "error"}, [details]))
        return
    content = None if child is None else [child]
    connection.send(Node("iq", {**attrs, "type": "result", "t": int(time.time())}, content))
    if node.get("xmlns") == "passive" and node.find("active") is not None:
        login.activate(connection)
    if node.find("remove-companion-device") is not None:
        _log_out(connection)


def _answer(connection: Connection, node: Node) -> Node | None:
    space, request = node.get("xmlns"), next(iter(node.children), None)
    handler = _HANDLERS.get(space)
    if handler is None or (connection.device is None and space not in ("md", "w:p")):
        log.info("sandbox.unknown_query", xmlns=space, stanza=node.shape())
        return None
    connection.query_target, connection.query_type = node.jid("to"), node.get("type")
    connection.query_attrs = node.attrs
    if space == "encrypt" and node.find("list") is not None:
        if not prekeys.upload(connection, node):
            raise QueryError(400, "bad-request")
        return None
    return handler(connection, request if request is not None else node)


def _nothing(connection: Connection, request: Node) -> Node | None:
    return None


def _encrypt(connection: Connection, request: Node) -> Node | None:
    if request.tag == "count":
        return Node("count", {"value": connection.owner[1].prekey_count})
    if request.tag == "key":
        return _bundles(connection, request)
    log.info("sandbox.unknown_query", xmlns="encrypt", stanza=request.shape())
    return None


def _bundles(connection: Connection, request: Node) -> Node:
    users = []
    for user in request.find_all("user"):
        jid = user.jid("jid")
        nodes = prekeys.handed_out(connection.network, jid) if jid else None
        if nodes is None:
            nodes = [Node("error", {"code": 404, "text": "item-not-found"})]
        users.append(Node("user", {"jid": jid, "t": int(time.time())}, nodes))
    return Node("list", content=users)


def _md(connection: Connection, request: Node) -> Node | None:
    if request.tag != "link_code_companion_reg":
        return None
    if request.get("stage") == "companion_hello":
        answer = pairing.hello(connection, request)
        if answer is None:
            raise QueryError(404, "item-not-found")
        return answer
    if not pairing.finish(connection, request):
        raise QueryError(400, "bad-request")
    return None


def _log_out(connection: Connection) -> None:
    account, device = connection.account, connection.device
    if account is None or device is None:
        return
    log.info("sandbox.device_logged_out", device=f"{account.number}:{device.id}")
    connection.finish(None, "logged_out_by_client")
    connection.network.remove_device(account, device.id)


def _media(connection: Connection, request: Node) -> Node | None:
    host = Node("host", {"hostname": MEDIA_HOST, "type": "primary"})
    attrs = {"auth": "sandbox", "ttl": 300, "auth_ttl": 21600, "max_buckets": 12, "id": 1}
    return Node("media_conn", attrs, [host])


def _groups(connection: Connection, request: Node) -> Node | None:
    asked = request.find("picture")
    if request.tag == "pictures" and asked is not None and connection.query_target is not None:
        shown = profiles.shown_picture(connection.network, connection.query_target, asked)
        return Node("pictures", content=[shown])
    return group_queries.answer(connection, request)


_HANDLERS: dict[str, Handler] = {
    "w:p": _nothing,
    "passive": _nothing,
    "urn:xmpp:ping": _nothing,
    "encrypt": _encrypt,
    "md": _md,
    "usync": usync.answer,
    "w:m": _media,
    "w:sync:app:state": syncing.answer,
    "w:g2": _groups,
    "privacy": profiles.privacy,
    "blocklist": profiles.blocklist,
    "status": profiles.about,
    "w:profile:picture": profiles.picture,
    "w:mex": profiles.graph,
    "w:qr": profiles.contact_link,
    "newsletter": newsletter_queries.answer,
    "disappearing_mode": profiles.disappearing,
    "abt": _nothing,
    "w": _nothing,
}
