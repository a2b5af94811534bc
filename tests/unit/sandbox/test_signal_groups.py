from __future__ import annotations

import pytest

from workers.sandbox.signal import (
    BadSignature,
    DuplicateMessage,
    InvalidMessage,
    NoSenderKey,
    SignalStore,
    TooFarAhead,
)

GROUP = "1@g.us"


@pytest.fixture
def alice() -> SignalStore:
    return SignalStore.create()


@pytest.fixture
def bob(alice: SignalStore) -> SignalStore:
    """A member who has Alice's key from the start."""
    store = SignalStore.create()
    store.process_sender_key(GROUP, "a", alice.sender_key_distribution(GROUP))
    return store


def test_every_member_reads_one_ciphertext(alice, bob):
    """A message is encrypted once for all who have the key."""
    carol = SignalStore.create()
    carol.process_sender_key(GROUP, "a", alice.sender_key_distribution(GROUP))
    sent = alice.encrypt_group(GROUP, b"hi all")
    assert sent.type == "skmsg"
    for member in (bob, carol):
        assert member.decrypt_group(GROUP, "a", sent.body) == b"hi all"


def test_a_late_member_reads_from_then_on_only(alice, bob):
    """The key given to a new member does not open what was sent before."""
    before = alice.encrypt_group(GROUP, b"before")
    carol = SignalStore.create()
    carol.process_sender_key(GROUP, "a", alice.sender_key_distribution(GROUP))
    after = alice.encrypt_group(GROUP, b"after")
    assert carol.decrypt_group(GROUP, "a", after.body) == b"after"
    with pytest.raises(DuplicateMessage):
        carol.decrypt_group(GROUP, "a", before.body)


def test_a_key_sent_twice_loses_no_messages(alice, bob):
    """Messages on their way while the same key is distributed again are still readable."""
    late = alice.encrypt_group(GROUP, b"late")
    bob.process_sender_key(GROUP, "a", alice.sender_key_distribution(GROUP))
    assert bob.decrypt_group(GROUP, "a", late.body) == b"late"


def test_a_dropped_key_is_replaced_by_a_new_one(alice, bob):
    """After a member left, those without the new key cannot read on, and old messages still open."""
    late = alice.encrypt_group(GROUP, b"late")
    alice.drop_sender_key(GROUP)
    distribution = alice.sender_key_distribution(GROUP)
    sent = alice.encrypt_group(GROUP, b"new")
    with pytest.raises(NoSenderKey):
        bob.decrypt_group(GROUP, "a", sent.body)
    bob.process_sender_key(GROUP, "a", distribution)
    assert bob.decrypt_group(GROUP, "a", sent.body) == b"new"
    assert bob.decrypt_group(GROUP, "a", late.body) == b"late"


def test_kept_keys_are_bounded(alice, bob):
    """Only the last 5 keys of a sender are kept."""
    late = alice.encrypt_group(GROUP, b"late")
    for _ in range(5):
        alice.drop_sender_key(GROUP)
        bob.process_sender_key(GROUP, "a", alice.sender_key_distribution(GROUP))
    with pytest.raises(NoSenderKey):
        bob.decrypt_group(GROUP, "a", late.body)


def test_without_a_key_nothing_is_sent_or_read(alice):
    """A group needs a distributed key first, in both directions."""
    with pytest.raises(NoSenderKey):
        alice.encrypt_group(GROUP, b"hi")
    alice.sender_key_distribution(GROUP)
    with pytest.raises(NoSenderKey):
        SignalStore.create().decrypt_group(GROUP, "a", alice.encrypt_group(GROUP, b"hi").body)


def test_order_does_not_matter_but_repeats_do(alice, bob):
    """Messages may overtake each other; a second copy is reported as a duplicate."""
    sent = [alice.encrypt_group(GROUP, b"%d" % n).body for n in range(5)]
    for n in (3, 0, 4, 1, 2):
        assert bob.decrypt_group(GROUP, "a", sent[n]) == b"%d" % n
        with pytest.raises(DuplicateMessage):
            bob.decrypt_group(GROUP, "a", sent[n])


def test_a_damaged_message_changes_nothing(alice, bob):
    """Every flipped bit is noticed, and the good copy is readable afterwards."""
    body, before = alice.encrypt_group(GROUP, b"hi").body, bob.to_bytes()
    # The minor version is signed too, so here, unlike in an opening, all bytes count.
    for place in range(len(body)):
        damaged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises((BadSignature, InvalidMessage, NoSenderKey)):
            bob.decrypt_group(GROUP, "a", damaged)
    assert bob.to_bytes() == before
    assert bob.decrypt_group(GROUP, "a", body) == b"hi"


def test_another_senders_key_does_not_fit(alice, bob):
    """Keys are per sender: nobody can speak with another's name."""
    body = alice.encrypt_group(GROUP, b"hi").body
    with pytest.raises(NoSenderKey):
        bob.decrypt_group(GROUP, "c", body)


def test_gaps_are_bounded(alice, bob):
    """2,001 missing messages are too many."""
    for _ in range(2001):
        alice.own_sender_keys[GROUP].chain.next()
    with pytest.raises(TooFarAhead):
        bob.decrypt_group(GROUP, "a", alice.encrypt_group(GROUP, b"far").body)


@pytest.mark.parametrize("data", [b"", b"3", b"3\x08\x01", b"\x23" + bytes(100)])
def test_a_distribution_must_be_one(bob, data):
    """Noise in place of a sender key is refused."""
    with pytest.raises(InvalidMessage):
        bob.process_sender_key(GROUP, "a", data)


def test_keys_survive_a_restart(alice, bob):
    """Both the sender's and the reader's place in the chain are kept."""
    late = alice.encrypt_group(GROUP, b"late")
    bob.decrypt_group(GROUP, "a", alice.encrypt_group(GROUP, b"early").body)
    alice, bob = (SignalStore.from_bytes(store.to_bytes()) for store in (alice, bob))
    assert bob.decrypt_group(GROUP, "a", late.body) == b"late"
    assert bob.decrypt_group(GROUP, "a", alice.encrypt_group(GROUP, b"on").body) == b"on"
