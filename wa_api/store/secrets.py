"""Passwords and random secrets: how they are made, kept and compared."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()


def new_secret() -> str:
    """32 random bytes in text that needs no escaping."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a random secret. (It cannot be guessed, so it needs no slow hash.)"""
    return hashlib.sha256(secret.encode()).hexdigest()


async def hash_password(password: str) -> str:
    """The argon2id hash, made in a thread."""
    return await asyncio.to_thread(_hasher.hash, password)


@cache
def _nobodys() -> str:
    return _hasher.hash(new_secret())


def _verify(kept: str | None, password: str) -> bool:
    try:
        return _hasher.verify(kept or _nobodys(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


async def verify_password(kept: str | None, password: str) -> bool:
    """Whether the password is right; as slow for nobody (None) as for somebody."""
    return await asyncio.to_thread(_verify, kept, password)
