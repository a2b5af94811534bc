"""Albums: one request, several messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from wa_api.domain.content import Album, Content, Context, Image, Video
from wa_api.domain.ids import MessageId, new_id
from wa_api.store.rows import NewMessage


def unfolded(album: NewMessage, items: Sequence[Content]) -> list[NewMessage]:
    """An album's row and those of its items, which name each other; their ids sort in this order.

    What surrounds an album stands with its own message. Its items disappear with it, and those
    with a caption say who is mentioned in it.
    """
    first, *ids = sorted(new_id("msg") for _ in range(len(items) + 1))
    content = Album(
        images=sum(isinstance(item, Image) for item in items),
        videos=sum(isinstance(item, Video) for item in items),
        items=tuple(ids),
    )
    around = Context(album=first, disappears_after=album.context.disappears_after)
    rows = [replace(album, id=MessageId(first), content=content)]
    for id, item in zip(ids, items, strict=True):
        named = album.context.mentions if getattr(item, "caption", None) else ()
        context = msgspec.structs.replace(around, mentions=named)
        row = replace(album, id=MessageId(id), content=item, context=context, ref=None, typing=0.0)
        rows.append(row)
    return rows
