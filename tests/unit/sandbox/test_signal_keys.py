from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.sandbox.signal import (
    InvalidMessage,
    KeyPair,
    SignalStore,
    from_wire,
    pad,
    sign,
    to_wire,
    unpad,
    verify,
)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_any_private_key_signs(private, message):
    """Whatever 32 bytes the key is, its owner's signature is good, for that message only."""
    pair = KeyPair.from_private(private)
    signature = sign(private, message)
    assert verify(pair.public, message, signature)
    assert not verify(pair.public, message + b"\0", signature)
    assert not verify(KeyPair.generate().public, message, signature)


@given(st.binary(max_size=40), st.binary(max_size=80))
def test_verifying_noise_is_false_and_no_error(public, signature):
    """A key or signature of any length can be asked about."""
    assert not verify(public, b"message", signature)


def test_both_ends_agree_on_a_secret():
    """Diffie-Hellman works in both directions."""
    one, other = KeyPair.generate(), KeyPair.generate()
    assert one.agree(other.public) == other.agree(one.public)


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(32)])
def test_an_unusable_public_key_is_refused(public):
    """A key of another length, or of low order, gives no secret."""
    with pytest.raises(InvalidMessage):
        KeyPair.generate().agree(public)


def test_wire_keys_have_a_type_byte():
    """A public key is 05 and 32 bytes on the wire, and nothing else is taken for one."""
    public = KeyPair.generate().public
    assert to_wire(public) == b"\x05" + public
    assert from_wire(to_wire(public)) == public
    for data in (b"", public, b"\x06" + public, to_wire(public) + b"\0"):
        with pytest.raises(InvalidMessage):
            from_wire(data)


def test_a_signed_prekey_is_signed_in_wire_form():
    """The identity's signature is over the key with its type byte, as the engine checks it."""
    store = SignalStore.create()
    signed = store.signed_prekey
    assert signed.id == 1
    assert verify(store.identity.public, b"\x05" + signed.pair.public, signed.signature)


def test_new_devices_differ_and_have_small_registration_ids():
    """Registration ids are those of Signal: 1 to 16,380."""
    devices = [SignalStore.create() for _ in range(20)]
    assert len({device.identity.public for device in devices}) == 20
    assert all(1 <= device.registration_id <= 16380 for device in devices)


@given(st.binary(max_size=100))
def test_padding_comes_off_again(plaintext):
    """1 to 16 bytes are put on, and exactly those are taken off."""
    padded = pad(plaintext)
    assert 1 <= len(padded) - len(plaintext) <= 16
    assert unpad(padded) == plaintext


@pytest.mark.parametrize("padded", [b"", b"abc\0", b"\x02", b"abc\x01\x02", b"\xff" * 254])
def test_wrong_padding_is_noticed(padded):
    """No padding, too much of it, or a part of it wrong is an error."""
    with pytest.raises(InvalidMessage):
        unpad(padded)
