"""From the handshake's payload to a device that is online, and back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from workers.sandbox import faults, pairing, presence, protos
from workers.sandbox.accounts import Account, Device
from workers.sandbox.wire import Node
from workers.sandbox.wire.jid import SERVER

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection

log = structlog.get_logger()


def begin(connection: Connection, payload: bytes) -> None:
    """Registers a new device, logs a known one in, or refuses."""
    try:
        parsed = protos.wa6.ClientPayload.FromString(payload)
    except DecodeError:
        connection.abort("bad_payload")
        return
    connection.payload = parsed
    if parsed.HasField("devicePairingData"):
        pairing.offer(connection)
        return
    network = connection.network
    account = network.directory.by_number(str(parsed.username))
    device = account.devices.get(parsed.device) if account else None
    if account is None or device is None or device.noise != connection.client_static:
        log.info("sandbox.login_refused", number=str(parsed.username), device=parsed.device)
        connection.finish(faults.failure(faults.Fault(login="401")), "logged_out")
        return
    fault = network.faults.find(account.id, device.id)
    if fault is not None and fault.login:
        connection.finish(faults.failure(fault), f"refused_{fault.login}")
        return
    _enter(connection, account, device)


def _enter(connection: Connection, account: Account, device: Device) -> None:
    network = connection.network
    jid = account.pn_jid.with_device(device.id)
    link = network.judge.opened(account.tenant, account.id, str(jid), connection.peer)
    old = network.connections.get((account.id, device.id))
    if old is not None and old.link is not None:
        old.overlap = network.judge.overlap(old.link, link)
        old.finish(faults.REPLACED, "replaced")
    connection.account, connection.device, connection.link = account, device, link
    network.connections[(account.id, device.id)] = connection
    log.info("sandbox.logged_in", device=str(jid), connection=link.number)
    attrs = {"t": int(time.time()), "lid": account.lid_jid.with_device(device.id)}
    attrs |= {"location": "sbx", "companion_enc_static": "", "display_name": account.name}
    connection.send(Node("success", attrs))


def activate(connection: Connection) -> None:
    """The client is ready: the backlog, then everything as it comes."""
    account, device = connection.account, connection.device
    if account is None or device is None or connection.active:
        return
    network = connection.network
    backlog = list(network.mailbox(account, device.id))
    counts = {tag: sum(n.tag == tag for n in backlog) for tag in ("message", "receipt")}
    notes = len(backlog) - sum(counts.values())
    preview = {"count": len(backlog), "appdata": 0, "notification": notes, **counts}
    connection.send(Node("ib", {"from": SERVER}, [Node("offline_preview", preview)]))
    connection.active = True
    for node in backlog:
        node.attrs["offline"] = "0"
        connection.push(node)
    connection.push(Node("ib", {"from": SERVER}, [Node("offline", {"count": len(backlog)})]))
    network.phones.companion_online(account, device)


def leave(connection: Connection) -> None:
    """The device is offline."""
    network = connection.network
    pairing.withdraw(connection)
    account, device = connection.account, connection.device
    if account is None or device is None:
        return
    key = (account.id, device.id)
    if network.connections.get(key) is connection:
        del network.connections[key]
        if connection.available:
            presence.changed(network, account, available=network.is_available(account))
