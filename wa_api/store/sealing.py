"""Secrets that must be readable again: kept sealed (Fernet: AES-128-CBC and HMAC-SHA256)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wa_api.domain.errors import WaError


class Sealed(WaError):
    """A kept secret cannot be read: it was sealed with a key that is not set any more."""

    code, retryable = "secret_unreadable", False


class Sealer:
    """Seals with the first key, opens with any, so that keys can be changed."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys`: long random texts, the present one first."""
        self._fernet = MultiFernet([Fernet(_derived(key)) for key in keys])

    def seal(self, text: str) -> str:
        """What to keep."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text again; raises Sealed."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Sealed from None


def _derived(key: str) -> bytes:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"wa-api sealed secrets")
    return base64.urlsafe_b64encode(derive.derive(key.encode()))
