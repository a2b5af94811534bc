from __future__ import annotations

import pytest

from workers.sandbox.signal import (
    BadMac,
    BadSignature,
    Ciphertext,
    DuplicateMessage,
    InvalidMessage,
    NoSession,
    SignalStore,
    TooFarAhead,
    UnknownPreKey,
)


def connect(a: SignalStore, b: SignalStore) -> None:
    """Start a session from `a` to `b` with a one-time prekey and let `b` answer."""
    a.process_bundle("b", b.bundle(0, b.new_prekeys(1)[0]))
    b.decrypt("a", *a.encrypt("b", b"hello"))
    a.decrypt("b", *b.encrypt("a", b"hello back"))


@pytest.fixture
def alice() -> SignalStore:
    return SignalStore.create()


@pytest.fixture
def bob() -> SignalStore:
    return SignalStore.create()


def test_messages_carry_the_prekeys_until_the_other_end_has_answered(alice, bob):
    """A session opens with pkmsg, as often as needed, and goes on with msg."""
    alice.process_bundle("b", bob.bundle(0, bob.new_prekeys(1)[0]))
    first, second = alice.encrypt("b", b"one"), alice.encrypt("b", b"two")
    assert (first.type, second.type) == ("pkmsg", "pkmsg")
    assert bob.decrypt("a", *second) == b"two"
    assert bob.decrypt("a", *first) == b"one"
    answer = bob.encrypt("a", b"three")
    assert answer.type == "msg"
    assert alice.decrypt("b", *answer) == b"three"
    assert alice.encrypt("b", b"four").type == "msg"


def test_a_one_time_prekey_opens_one_session_only(alice, bob):
    """The second user of a one-time prekey is told to fetch another."""
    carol = SignalStore.create()
    prekey = bob.new_prekeys(1)[0]
    for sender in (alice, carol):
        sender.process_bundle("b", bob.bundle(0, prekey))
    bob.decrypt("a", *alice.encrypt("b", b"mine"))
    with pytest.raises(UnknownPreKey):
        bob.decrypt("c", *carol.encrypt("b", b"too late"))
    assert not bob.has_session("c")


def test_a_bundle_without_a_one_time_prekey_is_enough(alice, bob):
    """A device that ran out of prekeys can still be written to."""
    alice.process_bundle("b", bob.bundle())
    assert bob.decrypt("a", *alice.encrypt("b", b"hi")) == b"hi"


def test_an_older_signed_prekey_still_opens_a_session(alice, bob):
    """Whoever fetched a bundle before the rotation is not locked out."""
    bundle = bob.bundle()
    bob.rotate_signed_prekey()
    assert bob.bundle().signed_prekey_id == 2
    alice.process_bundle("b", bundle)
    assert bob.decrypt("a", *alice.encrypt("b", b"hi")) == b"hi"


def test_a_forged_bundle_is_refused(alice, bob):
    """A signed prekey that another identity signed starts no session."""
    forged = SignalStore(**{**_fields(bob), "identity": SignalStore.create().identity})
    with pytest.raises(BadSignature):
        alice.process_bundle("b", forged.bundle())
    assert not alice.has_session("b")


def test_without_a_session_nothing_is_encrypted_or_decrypted(alice, bob):
    """Both directions say that there is no session."""
    connect(alice, bob)
    alice.drop_session("b")
    with pytest.raises(NoSession):
        alice.encrypt("b", b"hi")
    with pytest.raises(NoSession):
        alice.decrypt("b", *bob.encrypt("a", b"hi"))


def test_a_repeated_message_is_told_from_a_damaged_one(alice, bob):
    """A duplicate is reported as such, and every flipped bit is noticed."""
    connect(alice, bob)
    type, body = alice.encrypt("b", b"once")
    before = bob.to_bytes()
    for place in range(len(body)):
        damaged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises((BadMac, InvalidMessage, TooFarAhead, DuplicateMessage)):
            bob.decrypt("a", type, damaged)
    assert bob.to_bytes() == before
    assert bob.decrypt("a", type, body) == b"once"
    with pytest.raises(DuplicateMessage):
        bob.decrypt("a", type, body)


def test_a_damaged_opening_leaves_the_prekey_for_the_resend(alice, bob):
    """A prekey is used up only by a message that proved authentic."""
    alice.registration_id = 1000
    alice.process_bundle("b", bob.bundle(0, bob.new_prekeys(1)[0]))
    type, body = alice.encrypt("b", b"hi")
    before = bob.to_bytes()
    # The minor version (first byte) and the registration id (near the end) are not authenticated.
    for place in range(1, len(body) - 5):
        damaged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises((BadMac, InvalidMessage, UnknownPreKey, TooFarAhead)):
            bob.decrypt("a", type, damaged)
    assert bob.to_bytes() == before
    assert bob.decrypt("a", type, body) == b"hi"


def test_gaps_up_to_the_bound_are_bridged_and_no_further(alice, bob):
    """2,000 missing messages are waited for, 2,001 are too many."""
    connect(alice, bob)
    bob.decrypt("a", *alice.encrypt("b", b"first"))
    sent = [alice.encrypt("b", b"%d" % n) for n in range(2002)]
    with pytest.raises(TooFarAhead):
        bob.decrypt("a", *sent[2001])
    assert bob.decrypt("a", *sent[2000]) == b"2000"
    assert bob.decrypt("a", *sent[2001]) == b"2001"
    assert [bob.decrypt("a", *sent[n]) for n in (1999, 0)] == [b"1999", b"0"]


def test_both_may_start_at_once(alice, bob):
    """Crossed openings are both readable, and the two ends settle on one session."""
    alice.process_bundle("b", bob.bundle(0, bob.new_prekeys(1)[0]))
    bob.process_bundle("a", alice.bundle(0, alice.new_prekeys(1)[0]))
    from_alice, from_bob = alice.encrypt("b", b"A"), bob.encrypt("a", b"B")
    assert bob.decrypt("a", *from_alice) == b"A"
    assert alice.decrypt("b", *from_bob) == b"B"
    for turn in range(6):
        assert bob.decrypt("a", *alice.encrypt("b", b"%d" % turn)) == b"%d" % turn
        assert alice.decrypt("b", *bob.encrypt("a", b"%d" % turn)) == b"%d" % turn
    assert alice.encrypt("b", b"").type == bob.encrypt("a", b"").type == "msg"
    assert alice.sessions["b"][0].base_key == bob.sessions["a"][0].base_key


def test_a_device_that_lost_its_sessions_can_start_over(alice, bob):
    """A new opening replaces the session, and messages of the old one are still readable."""
    connect(alice, bob)
    late = alice.encrypt("b", b"late")
    alice.drop_session("b")
    alice.process_bundle("b", bob.bundle(0, bob.new_prekeys(1)[0]))
    assert bob.decrypt("a", *alice.encrypt("b", b"new")) == b"new"
    assert bob.decrypt("a", *late) == b"late"


def test_archived_sessions_are_bounded(alice, bob):
    """However often a session is started over, at most 41 are kept."""
    for _ in range(50):
        alice.process_bundle("b", bob.bundle())
        bob.decrypt("a", *alice.encrypt("b", b"hi"))
    assert len(alice.sessions["b"]) == len(bob.sessions["a"]) == 41


def test_a_store_survives_a_restart_between_any_two_messages(alice, bob):
    """What was saved goes on exactly where it was, skipped keys included."""
    connect(alice, bob)
    late = alice.encrypt("b", b"late")
    bob.decrypt("a", *alice.encrypt("b", b"early"))
    alice, bob = (SignalStore.from_bytes(store.to_bytes()) for store in (alice, bob))
    assert bob.decrypt("a", *late) == b"late"
    assert alice.decrypt("b", *bob.encrypt("a", b"hi")) == b"hi"


def test_the_remote_identity_is_known_and_its_change_can_be_seen(alice, bob):
    """A judge can compare who answers with who it was before."""
    connect(alice, bob)
    assert alice.remote_identity("b") == bob.identity.public
    other = SignalStore.create()
    alice.process_bundle("b", other.bundle())
    assert alice.remote_identity("b") == other.identity.public
    assert alice.remote_identity("nobody") is None


@pytest.mark.parametrize("body", [b"", b"3", b"\x33" * 8, b"\x22" + bytes(40), b"3" + bytes(80)])
@pytest.mark.parametrize("type", ["msg", "pkmsg", "skmsg", "other"])
def test_noise_is_an_invalid_message(alice, type, body):
    """Whatever arrives, the answer is an exception of this package."""
    with pytest.raises(InvalidMessage):
        alice.decrypt("b", type, body)


def test_prekey_ids_never_repeat_within_three_bytes(bob):
    """Ids start at 1, because the engine reads 0 as none, and wrap after 2**24 - 1."""
    assert [key.id for key in bob.new_prekeys(2)] == [1, 2]
    bob.next_prekey_id = (1 << 24) - 1
    assert [key.id for key in bob.new_prekeys(2)] == [(1 << 24) - 1, 1]


def test_ciphertexts_unpack_as_type_and_body(alice, bob):
    """The pair goes straight into an <enc> element and into `decrypt`."""
    alice.process_bundle("b", bob.bundle())
    assert isinstance(alice.encrypt("b", b""), Ciphertext)


def _fields(store: SignalStore) -> dict[str, object]:
    return {name: getattr(store, name) for name in store.__struct_fields__}
