"""Votes: encrypted with the secret that came with the poll, for whoever knows who asked whom."""

from __future__ import annotations

import hashlib
import secrets
import time
from itertools import product
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from workers.sandbox import protos
from workers.sandbox.errors import BadRequest, NotFound
from workers.sandbox.letters import Letter
from workers.sandbox.wire import Jid

if TYPE_CHECKING:
    from workers.sandbox.phones import Phone

_POLLS = ("pollCreationMessage", "pollCreationMessageV2", "pollCreationMessageV3")


def _cipher(secret: bytes, poll: str, author: Jid, voter: Jid) -> AESGCM:
    info = f"{poll}{author.bare}{voter.bare}Poll Vote".encode()
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret))


def vote(phone: Phone, poll: str, options: list[str]) -> Any:
    """The message with which a phone votes; raises NotFound or BadRequest."""
    message, author, chat = _poll(phone, poll)
    part = _part(message)
    if part is None or not set(options) <= {option.optionName for option in part.options}:
        raise BadRequest("that is no poll, or it has no such option")
    voter, nonce = phone.account.lid_jid, secrets.token_bytes(12)
    hashes = [hashlib.sha256(option.encode()).digest() for option in options]
    plain = protos.e2e.PollVoteMessage(selectedOptions=hashes).SerializeToString()
    cipher = _cipher(message.messageContextInfo.messageSecret, poll, author, voter)
    made = protos.e2e.Message()
    update = made.pollUpdateMessage
    key = update.pollCreationMessageKey
    key.ID, key.fromMe, key.remoteJID = poll, author == voter, str(chat.bare)
    key.participant = str(author.bare)
    update.vote.encIV = nonce
    update.vote.encPayload = cipher.encrypt(nonce, plain, f"{poll}\0{voter.bare}".encode())
    update.senderTimestampMS = int(time.time() * 1000)
    return made


def _part(message: Any) -> Any:
    return next((getattr(message, name) for name in _POLLS if message.HasField(name)), None)


def _poll(phone: Phone, id: str) -> tuple[Any, Jid, Jid]:
    """A poll that the phone got or sent, its author and its chat."""
    letter = next((one for one in phone.inbox if one.id == id), None)
    if letter is not None:
        message = protos.e2e.Message.FromString(letter.raw)
        return message, Jid.parse(letter.sender).bare, Jid.parse(letter.chat)
    sent = phone.sent(id)
    if sent is None:
        raise NotFound("there is no such poll")
    chat, plaintext = sent
    return protos.e2e.Message.FromString(plaintext), phone.account.lid_jid, chat


def chosen(phone: Phone, letter: Letter) -> list[str] | None:
    """The options of a vote in the inbox; None when it does not decrypt."""
    update = protos.e2e.Message.FromString(letter.raw).pollUpdateMessage
    poll = update.pollCreationMessageKey.ID
    try:
        message, author, _ = _poll(phone, poll)
    except NotFound:
        return None
    secret, part = message.messageContextInfo.messageSecret, _part(message)
    plain = _opened(update.vote, secret, poll, _names(phone, author), _names_of(letter))
    if plain is None or part is None:
        return None
    hashes = set(protos.e2e.PollVoteMessage.FromString(plain).selectedOptions)
    names = (option.optionName for option in part.options)
    return [name for name in names if hashlib.sha256(name.encode()).digest() in hashes]


def _opened(
    vote: Any, secret: bytes, poll: str, authors: list[Jid], voters: list[Jid]
) -> bytes | None:
    # Clients name people by number or LID, as they know them: each pair is tried.
    for author, voter in product(authors, voters):
        try:
            return _cipher(secret, poll, author, voter).decrypt(
                vote.encIV, vote.encPayload, f"{poll}\0{voter.bare}".encode()
            )
        except InvalidTag:
            continue
    return None


def _names(phone: Phone, jid: Jid) -> list[Jid]:
    account = phone.network.directory.find(jid)
    return [jid] if account is None else [account.lid_jid, account.pn_jid]


def _names_of(letter: Letter) -> list[Jid]:
    return [Jid.parse(letter.sender).bare, Jid.parse(letter.sender_pn).bare]
