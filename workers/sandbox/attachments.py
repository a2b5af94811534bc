"""Media of virtual phones: encrypted into the media host, and read back from it."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from workers.sandbox import content, protos
from workers.sandbox.errors import BadRequest, NotFound
from workers.sandbox.media import MEDIA_HOST, MediaHost

KINDS = {
    "image": ("imageMessage", b"WhatsApp Image Keys", "image/jpeg"),
    "video": ("videoMessage", b"WhatsApp Video Keys", "video/mp4"),
    "note": ("ptvMessage", b"WhatsApp Video Keys", "video/mp4"),
    "audio": ("audioMessage", b"WhatsApp Audio Keys", "audio/ogg; codecs=opus"),
    "document": ("documentMessage", b"WhatsApp Document Keys", "application/octet-stream"),
    "sticker": ("stickerMessage", b"WhatsApp Image Keys", "image/webp"),
}
_INFO = {name: info for name, info, _ in KINDS.values()}
INLINE_LIMIT = 4 << 20
MAC_SIZE = 10


def _keys(media_key: bytes, info: bytes) -> tuple[bytes, bytes, bytes]:
    keys = HKDF(algorithm=SHA256(), length=112, salt=None, info=info).derive(media_key)
    return keys[:16], keys[16:48], keys[48:80]


def seal(data: bytes, media_key: bytes, info: bytes) -> bytes:
    """A file as the media host keeps it; `info` names its kind."""
    iv, key, mac_key = _keys(media_key, info)
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    sealed = cipher.update(padder.update(data) + padder.finalize()) + cipher.finalize()
    return sealed + hmac.new(mac_key, iv + sealed, hashlib.sha256).digest()[:MAC_SIZE]


def _open(blob: bytes, media_key: bytes, info: bytes) -> bytes:
    iv, key, mac_key = _keys(media_key, info)
    sealed, mac = blob[:-MAC_SIZE], blob[-MAC_SIZE:]
    if hmac.new(mac_key, iv + sealed, hashlib.sha256).digest()[:MAC_SIZE] != mac:
        raise BadRequest("the media's MAC is wrong")
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(cipher.update(sealed) + cipher.finalize()) + unpadder.finalize()


def _data_of(given: dict[str, Any]) -> bytes:
    try:
        if "file" in given:
            return Path(str(given["file"])).read_bytes()
        return b64decode(str(given["data"]), validate=True)
    except (KeyError, ValueError, OSError) as error:
        raise BadRequest("media needs data (base64) or a readable file") from error


def attach(host: MediaHost, given: dict[str, Any]) -> Any:
    """A media message out of `{kind, data|file, mimetype?, fields?}`.

    `fields` are further fields of the protobuf message: caption, seconds, fileName, PTT …
    """
    kind = KINDS.get(str(given.get("kind")))
    if kind is None:
        raise BadRequest(f"kind must be one of {', '.join(KINDS)}")
    name, info, mimetype = kind
    data, media_key = _data_of(given), os.urandom(32)
    blob = seal(data, media_key, info)
    path = host.put(blob)
    fields = {
        "URL": f"https://{MEDIA_HOST}{path}",
        "directPath": path,
        "mimetype": given.get("mimetype") or mimetype,
        "mediaKey": b64encode(media_key).decode(),
        "mediaKeyTimestamp": int(time.time()),
        "fileSHA256": b64encode(hashlib.sha256(data).digest()).decode(),
        "fileEncSHA256": b64encode(hashlib.sha256(blob).digest()).decode(),
        "fileLength": len(data),
    }
    return content.parse({name: fields | dict(given.get("fields", {}))})


def fetch(host: MediaHost, raw: bytes, file: str | None) -> dict[str, Any]:
    """Decrypts a received message's media: hash and size, and the bytes or a file of them."""
    message = content.unwrap(protos.e2e.Message.FromString(raw))
    name = content.type_of(message)
    info = _INFO.get(name or "")
    if info is None or name is None:
        raise BadRequest("that message has no media")
    part = getattr(message, name)
    blob = host.get(part.directPath)
    if blob is None:
        raise NotFound("the media host does not have it")
    data = _open(blob, part.mediaKey, info)
    result: dict[str, Any] = {
        "type": name,
        "mimetype": part.mimetype,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "matches": hashlib.sha256(data).digest() == part.fileSHA256,
    }
    if file is not None:
        Path(file).write_bytes(data)
    elif len(data) <= INLINE_LIMIT:
        result["data"] = b64encode(data).decode()
    return result
