"""The history that a phone sends to a companion it has just linked.

As WhatsApp's phones do: notifications from the own device 0, each naming an encrypted, compressed
`HistorySync` at the media host. First the newest messages of every chat (INITIAL_BOOTSTRAP), then
push names (PUSH_NAME), then what is older, in chunks (RECENT).
"""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from workers.sandbox import content, protos
from workers.sandbox.accounts import Account, Device
from workers.sandbox.attachments import seal
from workers.sandbox.letters import Letter
from workers.sandbox.wire import Jid

if TYPE_CHECKING:
    from workers.sandbox.phones import Phone

_INFO = b"WhatsApp History Keys"
#: Messages of each chat in the first part, and messages of each later chunk.
NEWEST, CHUNK = 20, 500

#: Messages that change another one: they are no part of the history.
_CHANGES = ("protocolMessage", "reactionMessage", "pollUpdateMessage", "")

Chats = dict[str, list[Letter]]


def remember(phone: Phone, letter: Letter) -> None:
    """A message becomes a part of the phone's history."""
    if letter.type not in _CHANGES:
        phone.past.append(letter)


def wrote(phone: Phone, id: str, to: Jid, message: Any) -> None:
    """So does one that the phone sent."""
    phone.number += 1
    me, peer = phone.account, phone.network.directory.find(to)
    letter = Letter(
        number=phone.number,
        id=id,
        chat=str(to),
        chat_pn=str(peer.pn_jid if peer else to),
        sender=str(me.lid_jid),
        sender_pn=str(me.pn_jid),
        from_me=True,
        timestamp=time.time(),
        type=content.type_of(message) or "",
        text=content.text_of(message),
        name=me.name,
        retries=0,
        raw=message.SerializeToString(),
    )
    remember(phone, letter)


def send(phone: Phone, device: Device) -> None:
    """Sends all that the phone remembers; nothing when it has no history."""
    chats: Chats = {}
    for letter in phone.past:
        chats.setdefault(letter.chat, []).append(letter)
    if not chats:
        return
    for chunk, part in enumerate(_parts(phone, chats), 1):
        part.chunkOrder = chunk
        _notify(phone, device, part)


def _parts(phone: Phone, chats: Chats) -> Iterator[Any]:
    kinds = protos.history.HistorySync
    newest = {chat: letters[-NEWEST:] for chat, letters in chats.items()}
    yield _part(phone, kinds.INITIAL_BOOTSTRAP, newest, chats, progress=50)
    names = _part(phone, kinds.PUSH_NAME, {}, chats)
    for account in _accounts(phone, chats):
        names.pushnames.add(ID=str(account.pn_jid), pushname=account.name)
    yield names
    older = [letter for letters in chats.values() for letter in letters[:-NEWEST]]
    chunks = [older[at : at + CHUNK] for at in range(0, len(older), CHUNK)] or [[]]
    for number, some in enumerate(chunks, 1):
        grouped: Chats = {}
        for letter in some:
            grouped.setdefault(letter.chat, []).append(letter)
        yield _part(phone, kinds.RECENT, grouped, chats, progress=50 + 50 * number // len(chunks))


def _accounts(phone: Phone, chats: Chats) -> Iterable[Account]:
    """Everybody whom the phone has had to do with."""
    seen = {letter.sender for letters in chats.values() for letter in letters} | chats.keys()
    found = (phone.network.directory.find(Jid.parse(jid)) for jid in sorted(seen))
    return {account.id: account for account in found if account is not None}.values()


def _part(phone: Phone, kind: int, some: Chats, chats: Chats, progress: int | None = None) -> Any:
    part = protos.history.HistorySync(syncType=kind)
    if progress is not None:
        part.progress = progress
    for account in _accounts(phone, chats):
        part.phoneNumberToLidMappings.add(pnJID=str(account.pn_jid), lidJID=str(account.lid_jid))
    for chat, letters in some.items():
        _conversation(phone, part.conversations.add(), chat, letters, chats[chat])
    return part


def _conversation(
    phone: Phone, made: Any, chat: str, letters: list[Letter], everything: list[Letter]
) -> None:
    made.ID = chat
    made.conversationTimestamp = int(everything[-1].timestamp)
    made.unreadCount = _unread(phone, everything)
    group = phone.network.groups.find(Jid.parse(chat))
    if group is not None:
        made.name = group.subject
    elif (peer := phone.network.directory.find(Jid.parse(chat))) is not None:
        made.pnJID = str(peer.pn_jid)
        made.name = phone.account.saved.get(str(peer.pn_jid), "")
    for letter in reversed(letters):  # newest first, as phones do
        entry = made.messages.add(msgOrderID=letter.number)
        _message(entry.message, letter, in_group=group is not None)


def _unread(phone: Phone, letters: list[Letter]) -> int:
    count = 0
    for letter in reversed(letters):
        if letter.from_me or letter.id in phone.seen:
            break
        count += 1
    return count


def _message(made: Any, letter: Letter, *, in_group: bool) -> None:
    made.key.remoteJID, made.key.fromMe, made.key.ID = letter.chat, letter.from_me, letter.id
    if in_group:
        made.key.participant = made.participant = str(Jid.parse(letter.sender).bare)
    made.message.ParseFromString(letter.raw)
    made.messageTimestamp = int(letter.timestamp)
    status = protos.web.WebMessageInfo
    made.status = status.READ if letter.from_me else status.DELIVERY_ACK
    if letter.name:
        made.pushName = letter.name


def _notify(phone: Phone, device: Device, part: Any) -> None:
    data, key = zlib.compress(part.SerializeToString()), os.urandom(32)
    blob = seal(data, key, _INFO)
    message = protos.e2e.Message()
    message.protocolMessage.type = protos.e2e.ProtocolMessage.HISTORY_SYNC_NOTIFICATION
    note = message.protocolMessage.historySyncNotification
    note.fileSHA256, note.fileEncSHA256 = (
        hashlib.sha256(data).digest(),
        hashlib.sha256(blob).digest(),
    )
    note.fileLength, note.mediaKey = len(data), key
    note.directPath = phone.network.media.put(blob)
    note.syncType, note.chunkOrder, note.progress = part.syncType, part.chunkOrder, part.progress
    phone.send_peer(device, message)
