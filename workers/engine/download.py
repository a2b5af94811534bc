"""Files of received messages: fetched from WhatsApp's media servers, decrypted as they come.

The library gives a whole file in one piece of memory, several times over; here it flows. The
servers ask for no login: who has a message has the key to its file. (The encryption is WhatsApp's
as its white paper describes it: AES-256-CBC, an HMAC over IV and ciphertext, keys by HKDF.)
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, AsyncIterator

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from wa_api.domain.errors import MediaDamaged, MediaGone, MediaTooLarge
from wa_api.domain.media import MediaKind
from workers.engine.port import CallFailed, NetworkEndpoint, Remote

HOST = "https://mmg.whatsapp.net"
MAC_SIZE = 10
CHUNK = 1 << 18

_INFO = {
    MediaKind.IMAGE: b"WhatsApp Image Keys",
    MediaKind.VIDEO: b"WhatsApp Video Keys",
    MediaKind.AUDIO: b"WhatsApp Audio Keys",
    MediaKind.DOCUMENT: b"WhatsApp Document Keys",
}


class Opener:
    """Decrypts a file piece by piece. What it gives out counts only once `close` returned."""

    def __init__(self, remote: Remote) -> None:
        keys = HKDF(algorithm=SHA256(), length=112, salt=None, info=_INFO[remote.keyed_as]).derive(
            remote.key
        )
        iv, key, mac_key = keys[:16], keys[16:48], keys[48:80]
        self._remote = remote
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        self._padding = PKCS7(128).unpadder()
        self._mac = hmac.new(mac_key, iv, hashlib.sha256)
        self._plain, self._sealed, self._held = hashlib.sha256(), hashlib.sha256(), b""

    def feed(self, piece: bytes) -> bytes:
        """The next bytes of the file. The last ten of what is fed are the MAC: they wait."""
        self._sealed.update(piece)
        data = self._held + piece
        self._held = data[-MAC_SIZE:]
        return self._open(data[:-MAC_SIZE])

    def _open(self, sealed: bytes) -> bytes:
        self._mac.update(sealed)
        plain = self._padding.update(self._cipher.update(sealed))
        self._plain.update(plain)
        return plain

    def close(self) -> bytes:
        """The last bytes. Raises MediaDamaged when a hash or the MAC is wrong."""
        remote = self._remote
        try:
            last = self._padding.update(self._cipher.finalize()) + self._padding.finalize()
        except ValueError:
            raise MediaDamaged("The file at WhatsApp is damaged.") from None
        self._plain.update(last)
        whole = hmac.compare_digest(self._mac.digest()[:MAC_SIZE], self._held)
        if remote.enc_sha256:
            whole = whole and self._sealed.digest() == remote.enc_sha256
        if not whole or (remote.sha256 and self._plain.digest() != remote.sha256):
            raise MediaDamaged("The file at WhatsApp is not the one that was sent.")
        return last


class Downloader:
    """Fetches files by way of one network; made once per process."""

    def __init__(self, network: NetworkEndpoint, seconds: float = 300.0) -> None:
        """`seconds` that one file may take."""
        self._network, self._seconds = network, seconds

    async def pieces(
        self, remote: Remote, most: int, proxy_url: str | None = None
    ) -> AsyncGenerator[bytes]:
        """The bytes of a file, as they come. Only the end of the iteration says that they are right.

        By way of `proxy_url`, if given, instead of the network's own.
        Raises MediaGone, MediaDamaged, MediaTooLarge (over `most`), or CallFailed.
        """
        opener = Opener(remote)
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                async for sealed in self._sealed(remote, proxy_url or self._network.proxy_url):
                    size += len(sealed)
                    if size > most + 2 * CHUNK:
                        raise MediaTooLarge(most=most)
                    yield await asyncio.to_thread(opener.feed, sealed)
        except TimeoutError:
            raise CallFailed("whatsapp_timeout", "The file did not come in time.") from None
        except httpx.HTTPError as error:
            detail = f"The media server failed: {type(error).__name__}."
            raise CallFailed("media_server_failed", detail) from None
        yield opener.close()

    async def _sealed(self, remote: Remote, proxy_url: str | None) -> AsyncIterator[bytes]:
        ca_file = self._network.ca_file
        trust = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        headers = {"Origin": "https://web.whatsapp.com", "Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(
                verify=trust, proxy=proxy_url, timeout=30.0, trust_env=False
            ) as client,
            client.stream("GET", _url(remote), headers=headers) as answer,
        ):
            if answer.status_code in (403, 404, 410):
                raise MediaGone
            answer.raise_for_status()
            async for piece in answer.aiter_raw(CHUNK):
                yield piece


def _url(remote: Remote) -> str:
    if not remote.direct_path.startswith("/") or remote.direct_path.startswith("//"):
        raise MediaGone("The message does not say where its file is.")
    kind = remote.keyed_as
    digest = urlsafe_b64encode(remote.enc_sha256).decode()
    joint = "&" if "?" in remote.direct_path else "?"
    return f"{HOST}{remote.direct_path}{joint}hash={digest}&mms-type={kind}&__wa-mms="
