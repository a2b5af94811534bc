"""A session's own way out: the URL of a proxy, read once and never shown whole."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from wa_api.domain.errors import InvalidProxy

#: Schemes and their usual ports.
PORTS = {"http": 80, "https": 443, "socks5": 1080}
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
_MOST_SECRET = 255  # bytes, as SOCKS has it (RFC 1929)


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy is, and who we are there (`user` "": nobody)."""

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """Its URL without the secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{'***@' if self.user else ''}{host}:{self.port}"


def parse_proxy(url: str) -> Proxy:
    """Read `http://`, `https://` or `socks5://[user:password@]host[:port]`.

    Raises InvalidProxy, saying what was expected (and never echoing the input).
    """
    if not re.fullmatch(r"[\x21-\x7e]{1,1000}", url):
        raise InvalidProxy("`proxy`: must be a URL of visible ASCII characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidProxy("`proxy`: that is not a URL.") from None
    if parts.scheme not in PORTS:
        raise InvalidProxy("`proxy`: must begin with http://, https:// or socks5://.")
    if not host or port == 0 or not _HOST.fullmatch(host):
        raise InvalidProxy("`proxy`: must name a host, and perhaps a port.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InvalidProxy("`proxy`: nothing may follow the host and port.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if any(len(one.encode()) > _MOST_SECRET for one in (user, password)) or (password and not user):
        raise InvalidProxy("`proxy`: a user name is needed for a password; each has 255 bytes.")
    if ":" in user and parts.scheme != "socks5":
        raise InvalidProxy("`proxy`: a user name must not hold a colon.")
    return Proxy(parts.scheme, host, port or PORTS[parts.scheme], user, password)
