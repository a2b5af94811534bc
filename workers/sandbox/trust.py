"""The keys of the sandbox's servers: a throw-away CA for TLS, and the Noise chain."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import msgspec
import trustme

from workers.sandbox.noise import ServerKeys

HOSTS = ("web.whatsapp.com", "*.whatsapp.net", "mmg.whatsapp.net", "localhost", "127.0.0.1")


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    temporary.replace(path)


def load_tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """The server's TLS context and the file of the CA that signed it; made once, then kept."""
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    if not (ca_file.exists() and server_file.exists()):
        authority = trustme.CA(organization_name="sandbox", organization_unit_name="throw-away")
        server = authority.issue_cert(*HOSTS)
        write_private(server_file, server.private_key_and_cert_chain_pem.bytes())
        write_private(ca_file, authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)
    # Session tickets cost time at every connection, and clients of a sandbox never use them.
    context.num_tickets = 0
    return context, ca_file


def load_noise(folder: Path) -> tuple[ServerKeys, Path]:
    """The Noise keys, and the file with the 32 raw bytes of the root public key."""
    secret_file, root_file = folder / "noise.keys", folder / "noise_root.pub"
    if secret_file.exists():
        root, intermediate, static = msgspec.msgpack.decode(
            secret_file.read_bytes(), type=tuple[bytes, bytes, bytes]
        )
        keys = ServerKeys(root, intermediate, static)
    else:
        keys = ServerKeys.generate()
        parts = (keys.root, keys.intermediate, keys.static)
        write_private(secret_file, msgspec.msgpack.encode(parts))
    write_private(root_file, keys.root_public)
    return keys, root_file
