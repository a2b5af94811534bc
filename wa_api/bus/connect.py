"""From a URL to Redis: one server, the master that Sentinels name, or a Cluster."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import structlog

from wa_api.bus.client import Dial
from wa_api.bus.wire import Connection, ReplyError
from wa_api.domain.errors import Unavailable

log = structlog.get_logger()

#: (host, port), or (path of a Unix socket, 0).
Address = tuple[str, int]

_URL = re.compile(
    r"(?P<scheme>redis|rediss|unix)(\+(?P<kind>sentinel|cluster))?://"
    r"((?P<user>[^:@/]*)(:(?P<password>[^@/]*))?@)?(?P<hosts>[^/?]*)(?P<path>/[^?]*)?(\?(?P<query>.*))?"
)
_HOST = re.compile(r"(\[(?P<v6>[^\]]+)\]|(?P<name>[^:]+))(:(?P<port>\d+))?")

#: Seconds between questions to the Sentinels while all is well; less than a lease can spare.
_WATCH_SECONDS = 1.0

_OPTIONS = {"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs",
            "ssl_check_hostname", "sentinel_username", "sentinel_password"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says. `service` is the name under which Sentinels know the master."""

    kind: str  # "plain", "sentinel" or "cluster"
    addresses: tuple[Address, ...]
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    service: str = ""
    tls: bool = False
    options: dict[str, str] = field(default_factory=dict, repr=False)


def parse_url(url: str) -> Target:
    """Read a Redis URL; raises ValueError with a sentence that never shows the password.

    `redis://[user:password@]host[:port][/db]`, `rediss://…` (TLS), `unix:///path[?db=0]`,
    `redis+sentinel://host[:port],host…/service[/db]`, `redis+cluster://host[:port],host…`;
    options: `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs=none`,
    `ssl_check_hostname=false`, `sentinel_username`, `sentinel_password`.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("must begin with redis://, rediss://, unix://, redis+sentinel://, "
                         "rediss+sentinel://, redis+cluster:// or rediss+cluster://")  # fmt: skip
    options = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    if unknown := options.keys() - _OPTIONS:
        raise ValueError(f"has options that are not known: {', '.join(sorted(unknown))}")
    kind, path = match["kind"] or "plain", unquote(match["path"] or "")
    service, db = "", options.get("db", "")
    if match["scheme"] == "unix":
        if kind != "plain" or match["hosts"] or len(path) < 2:
            raise ValueError("must name an absolute path: unix:///path/to/redis.sock")
        addresses: tuple[Address, ...] = ((path, 0),)
    else:
        parts = path.strip("/").split("/")
        if kind == "sentinel":
            service = parts.pop(0)
            if not service:
                raise ValueError("must name the service: redis+sentinel://host:26379/mymaster")
        db = db or "/".join(parts)
        port = 26379 if kind == "sentinel" else 6379
        addresses = tuple(_address(host, port) for host in match["hosts"].split(","))
    if not re.fullmatch(r"\d{0,4}", db) or (kind == "cluster" and int(db or 0)):
        raise ValueError("has a database that is not a number (a Cluster has only 0)")
    return Target(
        kind=kind,
        addresses=addresses,
        username=unquote(match["user"] or ""),
        password=unquote(match["password"] or ""),
        db=int(db or 0),
        service=service,
        tls=match["scheme"] == "rediss",
        options=options,
    )


def _address(host: str, port: int) -> Address:
    match = _HOST.fullmatch(host)
    if match is None:
        raise ValueError("has a host that is not host[:port]")
    return (match["v6"] or match["name"], int(match["port"] or port))


def tls_context(target: Target) -> ssl.SSLContext | None:
    """How to verify the server; None without TLS."""
    if not target.tls:
        return None
    options = target.options
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    if options.get("ssl_check_hostname", "").lower() in ("false", "no", "0"):
        context.check_hostname = False
    if options.get("ssl_cert_reqs", "").lower() == "none":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens connections that have said who they are and chosen their database."""

    target: Target
    limit: float
    tls: ssl.SSLContext | None

    async def connect(
        self, address: Address, on_push: Callable[[Any], None] | None = None
    ) -> Connection:
        """Connect to a server of the target."""
        hello: list[tuple[str | int, ...]] = []
        if self.target.password:
            user = [self.target.username] if self.target.username else []
            hello.append(("AUTH", *user, self.target.password))
        if self.target.db:
            hello.append(("SELECT", self.target.db))
        return await self._open(address, hello, on_push)

    async def connect_sentinel(self, address: Address) -> Connection:
        """Connect to a Sentinel."""
        options = self.target.options
        user = [options["sentinel_username"]] if "sentinel_username" in options else []
        password = options.get("sentinel_password")
        return await self._open(address, [("AUTH", *user, password)] if password else [], None)

    async def _open(
        self,
        address: Address,
        hello: list[tuple[str | int, ...]],
        on_push: Callable[[Any], None] | None,
    ) -> Connection:
        connection = Connection(self.limit, on_push)
        try:
            async with asyncio.timeout(self.limit):
                await self._transport(connection, address)
                # PING last: a server that is still loading refuses it.
                answers = [connection.send(parts) for parts in (*hello, ("PING",))]
                for answer in answers:
                    if type(reply := await answer) is ReplyError:
                        raise Unavailable(f"Redis refuses us: {reply}")
        except TimeoutError:
            connection.abort()
            raise Unavailable("Redis does not answer.") from None
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _transport(self, connection: Connection, address: Address) -> None:
        host, port = address
        loop = asyncio.get_running_loop()
        if port == 0:
            await loop.create_unix_connection(lambda: connection, host)
            return
        transport, _ = await loop.create_connection(lambda: connection, host, port, ssl=self.tls)
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def dial_plain(dialer: Dialer) -> Dial:
    """Always the one server."""
    address = dialer.target.addresses[0]
    return lambda on_push: dialer.connect(address, on_push)


class Master:
    """Whichever server the Sentinels name: asked for each connection, and now and then after.

    A master that was replaced while it lives (it was slow, or cut off) does not know it for ten
    seconds or more, and goes on to accept what is then lost: leases too.
    """

    def __init__(self, dialer: Dialer, find: Callable[[], Awaitable[Address]]) -> None:
        """`find` asks the Sentinels."""
        self._dialer, self._find = dialer, find
        self._made: list[tuple[Connection, Address]] = []

    async def dial(self, on_push: Callable[[Any], None] | None) -> Connection:
        """Connect to it."""
        address = await self._find()
        connection = await self._dialer.connect(address, on_push)
        if on_push is None:
            role = await connection.send(("ROLE",))
            if type(role) is ReplyError or role[0] != b"master":
                connection.abort()
                raise Unavailable("The Sentinels name a server that is not the master (yet).")
        self._made.append((connection, address))
        return connection

    async def watch(self) -> None:
        """Leave a server that is not the master any more; runs until cancelled."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            self._made = [made for made in self._made if made[0].open]
            try:
                address = await self._find()
            except Unavailable:
                continue
            for connection, where in self._made:
                if where != address:
                    log.warning("redis.master_was_replaced")
                    connection.abort()


async def find_master(dialer: Dialer) -> Address:
    """Ask one Sentinel after the other."""
    for address in dialer.target.addresses:
        try:
            found = await _ask(dialer, address)
        except (Unavailable, OSError):
            continue
        if isinstance(found, list):
            return found[0].decode(), int(found[1])
    raise Unavailable("No Sentinel names a master.")


async def _ask(dialer: Dialer, address: Address) -> Any:
    sentinel = await dialer.connect_sentinel(address)
    try:
        question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", dialer.target.service)
        return await sentinel.send(question)
    finally:
        sentinel.abort()
