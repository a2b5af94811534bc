from __future__ import annotations

import os

import pytest
import xeddsa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from raw_client import PROLOGUE, Handshake

from workers.sandbox import noise, protos


def test_both_sides_end_with_the_same_ciphers() -> None:
    """After the handshake each side reads what the other wrote."""
    keys = noise.ServerKeys.generate()
    server, client = noise.Handshake(keys, keys.chain(), PROLOGUE), Handshake()
    finish, _, write, read = client.complete(server.answer(client.hello()), b"payload")
    write, read = AESGCM(write), AESGCM(read)
    _, payload, transport = server.finish(finish)
    assert payload == b"payload"
    assert transport.decrypt(write.encrypt(bytes(12), b"up", None)) == b"up"
    assert read.decrypt(bytes(12), transport.encrypt(b"down")[3:], None) == b"down"


def test_the_chain_leads_from_the_root_to_the_static_key() -> None:
    """A client that trusts the root key accepts the server's static key."""
    keys = noise.ServerKeys.generate()
    chain = protos.cert.CertChain.FromString(keys.chain())
    details = protos.cert.CertChain.NoiseCertificate.Details
    leaf = details.FromString(chain.leaf.details)
    middle = details.FromString(chain.intermediate.details)
    assert (middle.issuerSerial, leaf.issuerSerial) == (0, middle.serial)
    assert leaf.key == noise.public_of(keys.static)
    for signed, signer in ((chain.intermediate, keys.root_public), (chain.leaf, middle.key)):
        edwards = xeddsa.curve25519_pub_to_ed25519_pub(signer, False)
        assert xeddsa.ed25519_verify(signed.signature, edwards, signed.details)


def test_a_changed_finish_is_refused() -> None:
    """A finish that was tampered with fails the handshake."""
    keys = noise.ServerKeys.generate()
    server, client = noise.Handshake(keys, keys.chain(), PROLOGUE), Handshake()
    finish, *_ = client.complete(server.answer(client.hello()), b"payload")
    message = protos.wa6.HandshakeMessage.FromString(finish)
    message.clientFinish.payload = os.urandom(len(message.clientFinish.payload))
    with pytest.raises(noise.HandshakeFailed):
        server.finish(message.SerializeToString())


def test_frames_out_of_order_do_not_decrypt() -> None:
    """A frame that is replayed is refused."""
    reader, writer = noise.Transport(b"k" * 32, b"w" * 32), noise.Transport(b"w" * 32, b"k" * 32)
    frame = writer.encrypt(b"once")[3:]
    assert reader.decrypt(frame) == b"once"
    with pytest.raises(InvalidTag):
        reader.decrypt(frame)
