"""Two devices over a network that delays, reorders, repeats and loses messages."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.sandbox.signal import Ciphertext, DuplicateMessage, SignalStore

# A message that 4 later ones overtook is lost: sessions keep the last 5 ratchet keys only.
MAX_OVERTAKEN = 4


@dataclass
class Letter:
    plaintext: bytes
    ciphertext: Ciphertext
    overtaken: int = 0


@dataclass
class Device:
    store: SignalStore = field(default_factory=SignalStore.create)
    inbox: list[Letter] = field(default_factory=list)
    opened: list[Letter] = field(default_factory=list)
    sent: int = 0

    def start(self, other: Device, with_prekey: bool) -> None:
        prekey = other.store.new_prekeys(1)[0] if with_prekey else None
        self.store.process_bundle("other", other.store.bundle(0, prekey))

    def send(self, other: Device) -> None:
        if not self.store.has_session("other"):
            self.start(other, with_prekey=True)
        self.sent += 1
        plaintext = b"%d" % self.sent
        other.inbox.append(Letter(plaintext, self.store.encrypt("other", plaintext)))

    def receive(self, place: int) -> None:
        if not self.inbox:
            return
        letter = self.inbox.pop(place % len(self.inbox))
        for passed in self.inbox[: place % (len(self.inbox) + 1)]:
            passed.overtaken += 1
        self.inbox = [passed for passed in self.inbox if passed.overtaken < MAX_OVERTAKEN]
        assert self.store.decrypt("other", *letter.ciphertext) == letter.plaintext
        self.opened.append(letter)

    def receive_again(self, place: int) -> None:
        # Only of late: a session that is long gone can no longer tell a repeat from damage.
        for letter in self.opened[-4:][place : place + 1]:
            with pytest.raises(DuplicateMessage):
                self.store.decrypt("other", *letter.ciphertext)

    def lose(self, place: int) -> None:
        del self.inbox[place : place + 1]

    def restart(self) -> None:
        self.store = SignalStore.from_bytes(self.store.to_bytes())


ACTIONS = ("send", "send", "send", "receive", "receive", "receive", "again", "lose", "restart")
steps = st.tuples(st.booleans(), st.sampled_from((*ACTIONS, "start")), st.integers(0, 3))


def act(device: Device, other: Device, action: str, place: int) -> None:
    match action:
        case "send":
            device.send(other)
        case "receive":
            device.receive(place)
        case "again":
            device.receive_again(place)
        case "lose":
            device.lose(place)
        case "restart":
            device.restart()
        case "start":
            device.start(other, with_prekey=place > 0)


@settings(max_examples=150)
@given(st.lists(steps, max_size=60))
def test_what_is_delivered_is_read_once(script):
    """Whoever starts, however often, and in whatever order: each message opens exactly once."""
    devices = Device(), Device()
    for who, action, place in script:
        act(devices[who], devices[not who], action, place)
    for device in devices:
        while device.inbox:
            device.receive(0)


@settings(max_examples=50)
@given(st.lists(steps, max_size=30))
def test_after_any_trouble_the_two_ends_settle(script):
    """Once messages go to and fro again, none needs prekeys, and both use one session."""
    devices = Device(), Device()
    for who, action, place in script:
        act(devices[who], devices[not who], action, place)
    for _ in range(2):
        for one, other in (devices, devices[::-1]):
            one.inbox.clear()
            other.inbox.clear()
            one.send(other)
            other.receive(0)
    first, second = (device.store.sessions["other"][0] for device in devices)
    assert first.base_key == second.base_key
    assert first.pending is None
    assert second.pending is None
