"""An album becomes its own message and one for each item."""

from __future__ import annotations

from wa_api.domain.content import Album, Context, Image, Text, Video
from wa_api.domain.ids import SessionId
from wa_api.services.albums import unfolded
from wa_api.store.rows import NewMessage

ITEMS = [Image(id="med_1", caption="@5511999990001"), Video(id="med_2"), Image(id="med_3")]
AROUND = Context(message_id="msg_0", mentions=("5511999990001@s.whatsapp.net",), mention_all=True)


def made(context: Context) -> list[NewMessage]:
    """The rows of an album."""
    given = NewMessage(
        session=SessionId("ses_1"),
        chat="120363000000000001@g.us",
        content=Text(body=""),
        context=context,
        ref="trip",
        typing=2.0,
        priority="low",
        deadline=5.0,
    )
    return unfolded(given, ITEMS)


def test_the_rows_name_each_other_in_order() -> None:
    """The queue keeps the order of ids."""
    album, *items = made(Context())
    ids = [str(row.id) for row in (album, *items)]
    assert ids == sorted(set(ids))
    assert album.content == Album(images=2, videos=1, items=tuple(ids[1:]))
    assert [row.content for row in items] == ITEMS
    assert [row.context for row in items] == [Context(album=ids[0])] * 3


def test_what_surrounds_an_album_is_said_once() -> None:
    """Only captions name people again; the album alone has the ref and is typed."""
    album, *items = made(AROUND)
    assert album.context == AROUND
    captioned, *others = [row.context for row in items]
    assert captioned == Context(album=album.id, mentions=AROUND.mentions)
    assert others == [Context(album=album.id)] * 2
    assert [(row.ref, row.typing) for row in items] == [(None, 0.0)] * 3
    assert {(row.priority, row.deadline) for row in (album, *items)} == {("low", 5.0)}


def test_all_of_it_disappears() -> None:
    """Items as well."""
    rows = made(Context(disappears_after=86_400))
    assert [row.context.disappears_after for row in rows] == [86_400] * 4
