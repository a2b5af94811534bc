"""Against messages that the engine's own libsignal (go.mau.fi/libsignal 0.2.2) made or accepted.

`signal_vectors.json` was recorded once in a live exchange with it, over random keys: what it sent,
in the order of delivery, and what it decrypted of ours, with our store as it was before.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from workers.sandbox.signal import PreKeyBundle, SignalStore, verify


class Message(msgspec.Struct):
    type: str
    body: bytes
    plaintext: bytes


class Signature(msgspec.Struct):
    public: bytes
    message: bytes
    signature: bytes


class Stage(msgspec.Struct):
    store: SignalStore
    sent: list[Message] = []
    received: list[Message] = []


class OurGroup(msgspec.Struct):
    store: SignalStore
    distribution: bytes
    sent: list[Message]


class EngineGroup(msgspec.Struct):
    distribution: bytes
    received: list[Message]


class Vectors(msgspec.Struct):
    signatures: list[Signature]
    bundle: PreKeyBundle
    opened_by_engine: Stage
    answered: Stage
    opened_by_us: Stage
    engine_group: EngineGroup
    our_group: OurGroup


STAGES = ("opened_by_engine", "answered", "opened_by_us")


@pytest.fixture
def vectors() -> Vectors:
    text = Path(__file__).with_name("signal_vectors.json").read_bytes()
    return msgspec.json.decode(text, type=Vectors)


def test_the_engines_signatures_are_accepted(vectors):
    """Its signer sends the Edwards sign bit, set and unset, in the signature's top bit."""
    assert {one.signature[63] >> 7 for one in vectors.signatures} == {0, 1}
    for one in vectors.signatures:
        assert verify(one.public, one.message, one.signature)
        assert not verify(one.public, one.message + b"x", one.signature)


def test_the_engines_bundle_is_accepted(vectors):
    """A session can be started with the keys that the engine publishes."""
    store = SignalStore.create()
    store.process_bundle("engine", vectors.bundle)
    assert store.encrypt("engine", b"hi").type == "pkmsg"


@pytest.mark.parametrize("stage", STAGES)
def test_what_the_engine_accepted_is_sent_again_byte_for_byte(vectors, stage):
    """Nothing in a message is left to chance once the keys are there."""
    stage = getattr(vectors, stage)
    for message in stage.sent:
        assert stage.store.encrypt("go", message.plaintext) == (message.type, message.body)


@pytest.mark.parametrize("stage", STAGES)
def test_what_the_engine_sent_is_read_in_any_order(vectors, stage):
    """Openings, answers and later messages, as they were delivered and the other way round."""
    stage = getattr(vectors, stage)
    before = stage.store.to_bytes()
    for received in (stage.received, stage.received[::-1]):
        store = SignalStore.from_bytes(before)
        for message in received:
            assert store.decrypt("go", message.type, message.body) == message.plaintext


def test_the_engines_group_messages_are_read(vectors):
    """Its sender key distribution opens what it sent, out of order too."""
    store = SignalStore.create()
    store.process_sender_key("g", "engine", vectors.engine_group.distribution)
    for message in vectors.engine_group.received:
        assert store.decrypt_group("g", "engine", message.body) == message.plaintext


def test_group_messages_are_those_that_the_engine_accepted(vectors):
    """All but the signature, which is random, comes out the same again."""
    store = vectors.our_group.store
    assert store.sender_key_distribution("g") == vectors.our_group.distribution
    for message in vectors.our_group.sent:
        again = store.encrypt_group("g", message.plaintext)
        assert (again.type, again.body[:-64]) == (message.type, message.body[:-64])
