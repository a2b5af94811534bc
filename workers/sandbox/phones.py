"""Virtual phones: device 0 of each account, with a Signal identity of its own."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from workers.sandbox import content, history, messages, presence, protos, receipts, syncing
from workers.sandbox.accounts import Account, Device
from workers.sandbox.errors import NotFound, Offline
from workers.sandbox.letters import Event, Letter, garble
from workers.sandbox.prekeys import bundle_of
from workers.sandbox.signal import SignalError, SignalStore, pad, unpad
from workers.sandbox.wire import Jid, Node
from workers.sandbox.wire import jid as jids

if TYPE_CHECKING:
    from workers.sandbox.network import Network

log = structlog.get_logger()

KIND = "signal"
INBOX_LIMIT, SENT_LIMIT, MAX_RETRIES = 20_000, 5_000, 4


class Phone:
    """One phone. It reads and answers at once while it is online."""

    def __init__(self, network: Network, account: Account, signal: SignalStore) -> None:
        self.network, self.account, self.signal = network, account, signal
        self.online = True
        self.available = False
        self.auto_read = False
        self.echo = False
        self.garbled = 0  # how many messages more are sent so that they do not decrypt
        self.inbox: deque[Letter] = deque(maxlen=INBOX_LIMIT)
        self.events: deque[Event] = deque(maxlen=INBOX_LIMIT)
        self.past: deque[Letter] = deque(maxlen=INBOX_LIMIT)  # both ways, for companions to come
        self.seen: deque[str] = deque(maxlen=INBOX_LIMIT)  # ids of messages that were read
        self.number = 0
        self._sent: OrderedDict[str, tuple[Jid, bytes]] = OrderedDict()
        self._retries: OrderedDict[str, int] = OrderedDict()
        self.waiters: set[Callable[[], None]] = set()

    def save(self) -> None:
        """Keeps the Signal state."""
        self.network.state.put(KIND, self.account.id, self.signal.to_bytes)

    # --- receiving

    def receive(self, node: Node) -> None:
        """Handles a stanza that the network delivers."""
        if node.tag == "message":
            self._message(node)
        elif node.tag == "receipt":
            self._receipt(node)

    def _message(self, node: Node) -> None:
        sender = node.jid("participant") or node.jid("from")
        if sender is None:
            return
        plaintext: bytes | None = None
        try:
            for enc in node.find_all("enc"):
                plaintext = unpad(self._decrypt(node, sender, enc))
                self._read(node, sender, plaintext)
        except SignalError as error:
            log.info(
                "sandbox.phone_cannot_decrypt",
                phone=self.account.id,
                sender=str(sender),
                error=type(error).__name__,
            )
            self._ask_again(node, sender)
            self.save()
            return
        self.save()
        if plaintext is not None:
            self._confirm(node, sender)

    def _decrypt(self, node: Node, sender: Jid, enc: Node) -> bytes:
        kind = enc.get("type")
        if kind == "skmsg":
            return self.signal.decrypt_group(str(node.attrs["from"]), str(sender), enc.data)
        return self.signal.decrypt(str(sender), kind, enc.data)

    def _read(self, node: Node, sender: Jid, plaintext: bytes) -> None:
        message = protos.e2e.Message.FromString(plaintext)
        if message.HasField("senderKeyDistributionMessage"):
            key = message.senderKeyDistributionMessage
            self.signal.process_sender_key(
                key.groupID, str(sender), key.axolotlSenderKeyDistributionMessage
            )
        if message.HasField("deviceSentMessage"):
            message = message.deviceSentMessage.message
        kind = content.type_of(message)
        if kind is None:
            return
        if node.get("category") == "peer":
            syncing.peer_request(self, message)
            return
        self._file(node, sender, message, kind)

    def _file(self, node: Node, sender: Jid, message: Any, kind: str) -> None:
        author = self.network.directory.find(sender)
        from_me = author is self.account
        chat = node.jid("recipient") if from_me and "recipient" in node.attrs else None
        where = chat or (node.jid("from") or sender).bare
        peer = self.network.directory.find(where)
        text = content.text_of(message)
        id, pn = node.get("id"), author.pn_jid.with_device(sender.device) if author else sender
        self.number += 1
        enc = node.find("enc")
        letter = Letter(
            self.number,
            id,
            str(where),
            str(peer.pn_jid if peer else where),
            str(sender),
            str(pn),
            from_me,
            time.time(),
            kind,
            text,
            node.get("notify"),
            int(enc.get("count", "0")) if enc else 0,
            message.SerializeToString(),
        )
        self.inbox.append(letter)
        history.remember(self, letter)
        self.network.judge.decrypted(str(pn), id, text, kind)
        for waiter in list(self.waiters):
            waiter()
        self._react(letter, node, sender)

    def _react(self, letter: Letter, node: Node, sender: Jid) -> None:
        if letter.from_me or letter.type == "protocolMessage":
            return
        if self.auto_read:
            self.network.spawn(self._soon(lambda: self._send_read(node, sender)))
        if self.echo and letter.text is not None:
            to, text = Jid.parse(letter.chat), letter.text
            self.network.spawn(self._soon(lambda: self.send(to, content.text(text))))

    async def _soon(self, action: Callable[[], object]) -> None:
        if self.online:
            action()

    def _confirm(self, node: Node, sender: Jid) -> None:
        attrs = self._answer_attrs(node)
        if self.network.directory.find(sender) is self.account:
            attrs["type"] = "peer_msg" if node.get("category") == "peer" else "sender"
        receipts.submit(self.network, self.account, 0, Node("receipt", attrs))

    def _answer_attrs(self, node: Node) -> dict[str, str | Jid | int | None]:
        attrs: dict[str, str | Jid | int | None] = {
            "id": node.get("id"),
            "to": node.jid("from"),
            "t": int(time.time()),
        }
        attrs |= {k: node.attrs[k] for k in ("participant", "recipient") if k in node.attrs}
        return attrs

    def _send_read(self, node: Node, sender: Jid) -> None:
        self.seen.append(node.get("id"))
        attrs = self._answer_attrs(node) | {"type": "read"}
        receipts.submit(self.network, self.account, 0, Node("receipt", attrs))

    def _ask_again(self, node: Node, sender: Jid) -> None:
        key = f"{node.get('id')} {sender}"
        count = self._retries.pop(key, 0) + 1
        self._retries[key] = count
        while len(self._retries) > SENT_LIMIT:
            self._retries.popitem(last=False)
        if count > MAX_RETRIES:
            return
        retry = {"count": count, "id": node.get("id"), "t": node.get("t"), "v": 1}
        registration = self.signal.registration_id.to_bytes(4, "big")
        children = [Node("retry", retry), Node("registration", content=registration)]
        if count > 1:
            children.append(Node("keys", content=self._fresh_keys()))
        attrs = self._answer_attrs(node) | {"type": "retry"}
        receipts.submit(self.network, self.account, 0, Node("receipt", attrs, children))

    def _fresh_keys(self) -> list[Node]:
        [prekey] = self.signal.new_prekeys(1)
        bundle = bundle_of(self.signal, (prekey.id, prekey.public))
        return [child for child in bundle if child.tag != "registration"]

    # --- receipts that come back

    def _receipt(self, node: Node) -> None:
        sender = node.jid("participant") or node.jid("from")
        if sender is None:
            return
        kind = node.get("type")
        if kind == "retry":
            self._resend(node, sender)
            return
        chat = node.jid("recipient") or node.jid("from")
        author = self.network.directory.find(sender)
        pn = author.pn_jid.with_device(sender.device) if author else sender
        self.note("receipt", str(pn), kind or "delivered", receipts.ids(node), str(chat))

    def _resend(self, node: Node, device: Jid) -> None:
        sent = self._sent.get(node.get("id"))
        retry = node.find("retry")
        if sent is None or retry is None:
            return
        to, plaintext = sent
        count = int(retry.get("count", "1"))
        if count > 1 or not self.signal.has_session(str(device)):
            self.signal.drop_session(str(device))
        group = to.server in (jids.GROUP, jids.BROADCAST)
        if group:
            plaintext = self._with_sender_key(to, plaintext)
        elif self.network.directory.find(device) is self.account:
            plaintext = content.device_sent(to, plaintext)
        enc = self._encrypt(device, plaintext)
        if enc is None:
            return
        enc.attrs["count"] = str(count)
        attrs: dict[str, str | Jid | int | None] = {
            "to": to if group else device,
            "id": node.get("id"),
            "type": "text",
            "participant": device if group else None,
            "device_fanout": "false",
            "recipient": node.jid("recipient"),
        }
        self.save()
        messages.submit(self.network, self.account, 0, Node("message", attrs, [enc]))

    def note(
        self, kind: str, sender: str, state: str, ids: list[str] | None = None, chat: str = ""
    ) -> None:
        """Remembers something that happened, for `phone.events`."""
        self.number += 1
        event = Event(self.number, kind, time.time(), sender, state, ids or [], chat)
        self.events.append(event)
        for waiter in list(self.waiters):
            waiter()

    # --- sending

    def send(self, to: Jid, message: Any) -> str:
        """Encrypts a message for every device of the chat and of this account; its id."""
        if not self.online:
            raise Offline("the phone is offline")
        id = "3A" + secrets.token_hex(9).upper()
        plaintext: bytes = message.SerializeToString()
        to = self._canonical(to)
        self._sent[id] = (to, plaintext)
        while len(self._sent) > SENT_LIMIT:
            self._sent.popitem(last=False)
        kind = content.stanza_type(message)
        attrs: dict[str, str | Jid | int | None] = {"to": to, "id": id, "type": kind}
        if to.server in (jids.GROUP, jids.BROADCAST):
            children = self._for_group(to, plaintext, self._members(to))
        else:
            children = [self._for_devices(to, plaintext)]
        self.save()
        network, account = self.network, self.account
        if self.garbled:
            self.garbled -= 1
            garble(children)
        network.judge.departed(account.tenant, account.id, str(to), id, content.text_of(message))
        error, _ = messages.submit(network, account, 0, Node("message", attrs, children))
        if error:
            raise NotFound(f"the network refused the message with {error}")
        history.wrote(self, id, to, message)
        return id

    def sent(self, id: str) -> tuple[Jid, bytes] | None:
        """A message that the phone sent lately: its chat and content."""
        return self._sent.get(id)

    def _members(self, chat: Jid) -> list[Account]:
        """Who gets a group's messages; a status goes to everybody of the tenant."""
        group, directory = self.network.groups.find(chat), self.network.directory
        if group is None:
            return [one for one in directory if one.tenant == self.account.tenant]
        return [one for id in group.members if (one := directory.by_id(id)) is not None]

    def _canonical(self, to: Jid) -> Jid:
        if to.server in (jids.GROUP, jids.BROADCAST):
            return to
        account = self.network.directory.find(to)
        if account is None:
            raise NotFound("that number has no account")
        return account.lid_jid

    def _for_devices(self, to: Jid, plaintext: bytes) -> Node:
        recipient = self.network.directory.find(to)
        if recipient is None:
            raise NotFound("that number has no account")
        targets = [] if recipient is self.account else recipient.device_jids()
        nodes = [self._addressed(jid, plaintext) for jid in targets]
        mine = content.device_sent(to, plaintext)
        nodes += [self._addressed(jid, mine) for jid in self.account.device_jids()[1:]]
        return Node("participants", content=[node for node in nodes if node is not None])

    def _for_group(self, to: Jid, plaintext: bytes, members: list[Account]) -> list[Node]:
        skdm = self._with_sender_key(to, b"")
        nodes = [
            self._addressed(jid, skdm)
            for member in members
            for jid in member.device_jids()
            if jid != self.account.lid_jid
        ]
        sealed = self.signal.encrypt_group(str(to), pad(plaintext))
        enc = Node("enc", {"v": "2", "type": sealed.type}, sealed.body)
        return [Node("participants", content=[n for n in nodes if n is not None]), enc]

    def _with_sender_key(self, group: Jid, plaintext: bytes) -> bytes:
        key = self.signal.sender_key_distribution(str(group))
        message = protos.e2e.Message.FromString(plaintext)
        message.senderKeyDistributionMessage.groupID = str(group)
        message.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage = key
        return bytes(message.SerializeToString())

    def _addressed(self, jid: Jid, plaintext: bytes) -> Node | None:
        enc = self._encrypt(jid, plaintext)
        return None if enc is None else Node("to", {"jid": jid}, [enc])

    def _encrypt(self, jid: Jid, plaintext: bytes) -> Node | None:
        address = str(jid)
        if not self.signal.has_session(address):
            bundle = self.network.phones.bundle(jid)
            if bundle is None:
                return None
            self.signal.process_bundle(address, bundle)
        sealed = self.signal.encrypt(address, pad(plaintext))
        return Node("enc", {"v": "2", "type": sealed.type}, sealed.body)

    def forget_sessions(self) -> None:
        """Loses all sessions and sender keys, as a phone that was set up anew would."""
        self.signal.sessions.clear()
        self.signal.sender_keys.clear()
        self.signal.own_sender_keys.clear()
        self.save()

    def send_peer(self, device: Device, message: Any) -> None:
        """A message for one companion of this phone, outside every chat."""
        jid = self.account.lid_jid.with_device(device.id)
        enc = self._encrypt(jid, bytes(message.SerializeToString()))
        if enc is None:
            return
        self.save()
        id = "3A" + secrets.token_hex(9).upper()
        attrs: dict[str, str | Jid | int | None] = {
            "to": jid,
            "id": id,
            "type": "text",
            "category": "peer",
        }
        messages.submit(self.network, self.account, 0, Node("message", attrs, [enc]))

    def mark_read(self, ids: list[str]) -> int:
        """Sends a read receipt for messages of the inbox; how many were known."""
        if not self.online:
            raise Offline("the phone is offline")
        wanted, known = set(ids), 0
        for letter in list(self.inbox):
            if letter.id in wanted and not letter.from_me:
                known += 1
                self.seen.append(letter.id)
                chat, sender = Jid.parse(letter.chat), Jid.parse(letter.sender)
                in_group = chat.server in (jids.GROUP, jids.BROADCAST)
                attrs: dict[str, str | Jid | int | None] = {
                    "id": letter.id,
                    "to": chat if in_group else sender,
                    "type": "read",
                    "participant": sender if in_group else None,
                }
                receipts.submit(self.network, self.account, 0, Node("receipt", attrs))
        return known

    def typing(self, to: Jid, state: str) -> None:
        """`state` is "typing", "recording" or "paused"."""
        tag = "paused" if state == "paused" else "composing"
        attrs = {"media": "audio"} if state == "recording" else {}
        node = Node("chatstate", {"to": self._canonical(to)}, [Node(tag, attrs)])
        presence.typing(self.network, self.account, node)
