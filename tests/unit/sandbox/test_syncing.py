from __future__ import annotations

import hashlib
import hmac

import orjson
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from workers.sandbox import content, protos, syncing
from workers.sandbox.accounts import Account
from workers.sandbox.attachments import attach, fetch
from workers.sandbox.errors import BadRequest, NotFound
from workers.sandbox.media import MediaHost


def test_a_companion_can_read_the_push_name() -> None:
    """With the shared key the patch opens, its MAC holds, and the name is in it."""
    account = Account("ph_1", "ten_1", "1", "2", "Ana", b"k" * 32)
    index_key, value_key, *_ = syncing._keys(account.sync_key[1])
    patch = protos.sync.SyncdPatch.FromString(syncing._push_name(account))
    [mutation] = patch.mutations
    sealed, mac = mutation.record.value.blob[:-32], mutation.record.value.blob[-32:]
    assert mac == syncing._value_mac(
        syncing._keys(account.sync_key[1])[2], account.sync_key[0], sealed
    )
    opener = Cipher(algorithms.AES(value_key), modes.CBC(sealed[:16])).decryptor()
    unpadder = PKCS7(128).unpadder()
    plain = unpadder.update(opener.update(sealed[16:])) + unpadder.finalize()
    action = protos.sync_action.SyncActionData.FromString(plain)
    assert orjson.loads(action.index) == ["setting_pushName"]
    assert action.value.pushNameSetting.name == "Ana"
    index = hmac.new(index_key, action.index, hashlib.sha256).digest()
    assert mutation.record.index.blob == index


def _entry(who: str, name: str | None) -> syncing.Entry:
    if name is None:
        return syncing.Entry(("contact", who), version=2)
    value = protos.sync_action.SyncActionValue()
    value.contactAction.fullName = name
    return syncing.Entry(("contact", who), value, version=2)


def test_what_was_set_anew_or_removed_leaves_no_trace_in_the_sum() -> None:
    """The sum of a collection depends on its entries alone; removals have a MAC of their own."""
    account, name = Account("ph_1", "ten_1", "1", "2", "Ana", b"k" * 32), "critical_unblock_low"
    kept: list[bytes] = []
    for entries in (
        [_entry("a", "Anna"), _entry("b", "Bruno")],
        [_entry("a", "Anne"), _entry("b", None)],
    ):
        kept.append(syncing._sealed(account, name, kept, entries))
    last = protos.sync.SyncdPatch.FromString(kept[-1])
    assert last.version.version == 2
    alone = syncing._Summary([])
    alone.apply(last.mutations[:1])
    assert syncing._Summary(kept).digest == alone.digest != bytes(128)
    removed = last.mutations[1]
    assert removed.operation == syncing._REMOVE
    blob, (key_id, data) = removed.record.value.blob, account.sync_key
    assert blob[-32:] == syncing._value_mac(syncing._keys(data)[2], key_id, blob[:-32], 1)
    alone.apply([removed])
    assert alone.digest == syncing._Summary(kept).digest


def test_media_that_a_phone_attaches_can_be_fetched(tmp_path) -> None:
    """Bytes survive encryption into the media host; fields such as a caption are kept."""
    host = MediaHost(tmp_path)
    given = {"kind": "image", "data": "aGVsbG8=", "fields": {"caption": "hi"}}
    message = attach(host, given)
    assert content.text_of(message) == "hi"
    found = fetch(host, message.SerializeToString(), None)
    assert (found["data"], found["matches"], found["size"]) == ("aGVsbG8=", True, 5)


def test_media_that_was_changed_is_refused(tmp_path) -> None:
    """A blob whose MAC is wrong does not open; one that is gone is not found."""
    host = MediaHost(tmp_path)
    message = attach(host, {"kind": "audio", "data": "aGVsbG8="})
    [blob] = tmp_path.iterdir()
    blob.write_bytes(bytes(len(blob.read_bytes())))
    with pytest.raises(BadRequest):
        fetch(host, message.SerializeToString(), None)
    blob.unlink()
    with pytest.raises(NotFound):
        fetch(host, message.SerializeToString(), None)


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"conversation": "a"}, "conversation", "a"),
        ({"extendedTextMessage": {"text": "b"}}, "extendedTextMessage", "b"),
        ({"imageMessage": {"caption": "c"}}, "imageMessage", "c"),
        ({"ephemeralMessage": {"message": {"conversation": "d"}}}, "conversation", "d"),
        ({"reactionMessage": {"text": "e"}}, "reactionMessage", "e"),
        ({"senderKeyDistributionMessage": {"groupID": "g"}}, None, None),
        ({}, None, None),
    ],
)
def test_what_a_message_holds_is_seen(fields, kind, text) -> None:
    """Type and text are found, through wrappers too; a bare sender key is no content."""
    message = content.parse(fields)
    assert (content.type_of(message), content.text_of(message)) == (kind, text)


def test_what_is_no_message_is_a_bad_request() -> None:
    """An unknown field is named."""
    with pytest.raises(BadRequest, match="nonsense"):
        content.parse({"nonsense": 1})
