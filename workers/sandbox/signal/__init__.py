"""Signal, version 3, in the byte format of the libsignal that the engine uses.

Virtual phones and judges of the sandbox are the other end of the unmodified engine, so they speak
what it speaks. `SignalStore` is all that most callers need.

Curve25519 and XEdDSA are the library `xeddsa`, symmetric primitives `cryptography`, message shapes
`protobuf`. X3DH and the Double Ratchet over them are ours, not the libraries `x3dh` and
`doubleratchet`: the latter trusts the "previous counter" of each header, which the engine's
libsignal fills in one too low (and with 2**32 - 1 in a responder's first answer), keeps no archived
sessions for two ends that start at once, and is asynchronous; after subclassing its KDFs, AEAD,
ratchet and serialisation, no code would have been saved.
"""

from __future__ import annotations

from .errors import (
    BadMac,
    BadSignature,
    DuplicateMessage,
    InvalidMessage,
    NoSenderKey,
    NoSession,
    SignalError,
    TooFarAhead,
    UnknownPreKey,
)
from .keys import KeyPair, PreKey, PreKeyBundle, SignedPreKey, from_wire, sign, to_wire, verify
from .store import SignalStore
from .wire import Ciphertext, pad, unpad

__all__ = [
    "BadMac",
    "BadSignature",
    "Ciphertext",
    "DuplicateMessage",
    "InvalidMessage",
    "KeyPair",
    "NoSenderKey",
    "NoSession",
    "PreKey",
    "PreKeyBundle",
    "SignalError",
    "SignalStore",
    "SignedPreKey",
    "TooFarAhead",
    "UnknownPreKey",
    "from_wire",
    "pad",
    "sign",
    "to_wire",
    "unpad",
    "verify",
]
