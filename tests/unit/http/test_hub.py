"""Fan-out inside one process."""

from __future__ import annotations

from typing import Any

import pytest

from wa_api.domain.ids import TenantId
from wa_api.http.feed import hub as module
from wa_api.http.feed.allowances import Allowances
from wa_api.http.feed.closes import RESTART, TOO_MANY, TRY_LATER
from wa_api.http.feed.hub import Hub, Item
from wa_api.http.metrics import Metrics


class Feed:
    """A subscription that the test speaks through."""

    def __init__(self) -> None:
        self.followed = 0

    async def follow(self, tenant: TenantId, on_event: Any, on_gap: Any) -> Any:
        """See ports.Feed."""
        self.followed += 1
        self.say = on_event

        async def stop() -> None:
            self.followed -= 1

        return stop


class Reader:
    """Keeps the frames that it was sent."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def take(self, item: Item) -> bool:
        """See hub.Reader."""
        self.frames.append(item.frame)
        return False


class Connection:
    """Somebody's."""

    def __init__(self, subject: str) -> None:
        self.subject = subject


def hub_of(limit: int = 100, each: int = 100) -> tuple[Hub, Feed]:
    """A hub with limits."""
    feed = Feed()
    return Hub(feed, Metrics(), limit, Allowances(each, 10)), feed


async def test_an_event_is_encoded_once_for_all_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """All readers of a tenant get the very same bytes, over one subscription."""
    encoded: list[bytes] = []

    def text_frame(payload: bytes) -> bytes:
        encoded.append(payload)
        return payload

    monkeypatch.setattr(module, "text_frame", text_frame)
    hub, feed = hub_of()
    readers: list[Any] = [Reader() for _ in range(50)]
    for reader in readers:
        await hub.join(TenantId("ten_1"), reader)
    feed.say("7", "ses_1", "chat.typing_changed", b"{}")
    assert encoded == [b'{"type":"event","event":{}}']
    assert feed.followed == 1
    assert len({id(reader.frames[0]) for reader in readers}) == 1
    for reader in readers:
        await hub.leave(TenantId("ten_1"), reader)
    assert feed.followed == 0


def test_connections_are_bounded_in_all_and_for_each_caller() -> None:
    """Each limit has its own answer, and who left makes room."""
    hub, _ = hub_of(limit=3, each=2)

    member: Any = Connection
    first, second, other = member("usr_1"), member("usr_1"), member("usr_2")
    frames = hub.admit(first)
    assert hub.admit(second) is frames
    assert hub.admit(member("usr_1")) is TOO_MANY
    assert hub.admit(other) is not frames
    assert hub.admit(member("usr_3")) is TRY_LATER
    hub.dismiss(member("usr_1"))  # was never admitted: nobody's place is given away
    hub.dismiss(first)
    assert hub.admit(first) is frames
    hub.dismiss(other)
    hub._closing = RESTART
    assert hub.admit(other) is RESTART
