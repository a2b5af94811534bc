"""Links to media that need no token for a short time."""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode

from wa_api.domain.errors import MediaExpired

_PURPOSE = b"wa-api media link\0"


class Signer:
    """Makes and checks the query strings of links; every process has the same secret."""

    def __init__(self, secret: str, seconds: int) -> None:
        """`seconds` that a link is good for."""
        self._key = hashlib.sha256(_PURPOSE + secret.encode()).digest()
        self.seconds = seconds

    def link(self, tenant: str, media: str, now: float | None = None) -> tuple[str, int]:
        """The path and query, and when it ends (Unix seconds).

        The end is rounded up to a whole period, so that a client that asks again soon gets the
        same link, and its cache works.
        """
        at = time.time() if now is None else now
        ends = (int(at) // self.seconds + 2) * self.seconds
        query = f"tenant={tenant}&expires={ends}&signature={self._sign(tenant, media, ends)}"
        return f"/v1/media/{media}/content?{query}", ends

    def check(self, tenant: str, media: str, expires: int, signature: str) -> None:
        """Raise MediaExpired unless we made this link and it is still good."""
        right = self._sign(tenant, media, expires)
        if not hmac.compare_digest(right.encode(), signature.encode()) or time.time() >= expires:
            raise MediaExpired

    def _sign(self, tenant: str, media: str, expires: int) -> str:
        text = f"{tenant}\0{media}\0{expires}".encode()
        return urlsafe_b64encode(hmac.digest(self._key, text, "sha256")).decode().rstrip("=")
