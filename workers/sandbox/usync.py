"""User queries: LIDs, device lists, and whether a number has an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.sandbox.accounts import Account
from workers.sandbox.wire import Jid, Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection


def answer(connection: Connection, request: Node) -> Node | None:
    """One <user> for each that was asked for, with the parts that were asked for."""
    wanted, asked = request.find("query"), request.find("list")
    parts = {part.tag: part for part in wanted.children} if wanted else {}
    users = [_user(connection, user, parts) for user in asked.children] if asked else []
    attrs = {key: request.get(key) for key in ("sid", "mode", "context", "index", "last")}
    return Node("usync", attrs, [Node("result"), Node("list", content=users)])


def _user(connection: Connection, user: Node, parts: dict[str, Node]) -> Node:
    directory = connection.network.directory
    contact = user.find("contact")
    jid = user.jid("jid")
    if contact is None or jid is not None:
        account = directory.find(jid)
        return Node("user", {"jid": jid}, _parts(account, jid, parts) if account else [])
    number = contact.data.decode(errors="replace")
    account = directory.find(Jid.parse(number))
    if account is None:
        asked = Jid(number.partition("@")[0].removeprefix("+"), "s.whatsapp.net")
        found = Node("contact", {"type": "out"}, contact.data)
        return Node("user", {"jid": asked}, [found])
    children = [Node("contact", {"type": "in"}, contact.data)]
    children += _parts(account, account.lid_jid, parts)
    return Node("user", {"jid": account.lid_jid, "pn_jid": account.pn_jid}, children)


def _parts(account: Account, jid: Jid | None, parts: dict[str, Node]) -> list[Node]:
    children = []
    if "devices" in parts:
        listed = [Node("device", {"id": "0"})]
        listed += [
            Node("device", {"id": device.id, "key-index": device.key_index})
            for device in account.devices.values()
        ]
        children.append(Node("devices", content=[Node("device-list", content=listed)]))
    if "lid" in parts:
        children.append(Node("lid", {"val": account.lid_jid}))
    if "status" in parts:
        children.append(Node("status", content=account.about.encode()))
    if "picture" in parts and account.picture is not None:
        children.append(Node("picture", {"id": account.picture[0], "type": "image"}))
    if "disappearing_mode" in parts:
        children.append(Node("disappearing_mode", {"duration": "0", "t": "0"}))
    return children
