"""A batch of messages: read item by item, so that one bad item is refused alone."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wa_api.domain.content import NewAlbum
from wa_api.domain.errors import WaError
from wa_api.domain.messages import MessageView, Status
from wa_api.http.bodies import Body
from wa_api.http.decoding import decode_json
from wa_api.http.message_bodies import SendBody
from wa_api.http.parts import wrong
from wa_api.http.problems import of_error
from wa_api.services.messages import Outgoing

MOST_ITEMS = 1000

_item = msgspec.json.Decoder(SendBody)


class BatchBody(Body):
    """Messages, each as it would be sent alone (SendBody)."""

    messages: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MOST_ITEMS)]

    def outgoing(self) -> list[Outgoing | WaError]:
        """For the domain: each item, or why it is refused."""
        return [_read(bytes(raw)) for raw in self.messages]

    def fingerprint(self) -> str:
        """Equal for equal batches."""
        return hashlib.sha256(b"\n".join(map(bytes, self.messages))).hexdigest()


def _read(raw: bytes) -> Outgoing | WaError:
    try:
        item = decode_json(raw, _item).outgoing()
        if isinstance(item.content, NewAlbum):
            raise wrong("type", "albums are sent by themselves, not in batches")
        return item
    except WaError as error:
        return error


class BatchItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one item: an accepted message's `id`, or `error`, a problem document."""

    id: str | None = None
    status: Status | None = None
    ref: str | None = None
    error: dict[str, Any] | None = None


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The items in their order, and how many of them were accepted."""

    accepted: int
    items: list[BatchItem]


def answer(results: list[MessageView | WaError]) -> BatchAnswer:
    """As callers see it."""
    items = [
        BatchItem(error=of_error(one))
        if isinstance(one, WaError)
        else BatchItem(id=one.id, status=one.status, ref=one.ref)
        for one in results
    ]
    return BatchAnswer(accepted=sum(one.error is None for one in items), items=items)
