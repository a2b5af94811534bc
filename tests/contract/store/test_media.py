"""Rows of files: one for each session that has it, and what is known of them."""

from __future__ import annotations

import pytest

from wa_api.domain.errors import MediaNotFound
from wa_api.domain.ids import TenantId
from wa_api.domain.media import Facts, MediaId
from wa_api.store import media, tenants
from wa_api.store.media import NewMedia
from wa_api.store.rows import SessionRow


def file(facts: Facts, mimetype: str = "audio/ogg", session: str = "") -> NewMedia:
    """Always the same bytes."""
    return NewMedia(
        sha256="0" * 64, size=9, mimetype=mimetype, facts=facts, filename=None, session=session
    )


async def test_what_was_only_trusted_gives_way_to_what_was_seen(tenant: TenantId):
    """Under the same id; what was seen stays when the file arrives on trust again."""
    trusted = await media.add(tenant, file(Facts(unseen=True), "audio/mpeg"))
    seen = await media.add(tenant, file(Facts(seconds=2, codec="opus")))
    again = await media.add(tenant, file(Facts(unseen=True), "audio/mpeg"))
    assert trusted.id == seen.id == again.id
    assert (again.mimetype, again.facts) == ("audio/ogg", Facts(seconds=2, codec="opus"))


async def test_facts_are_written_down_later(tenant: TenantId, session: SessionRow):
    """For one session's row of the file, and for no other tenant's."""
    mine = await media.add(tenant, file(Facts(unseen=True), session=session.id))
    shared = await media.add(tenant, file(Facts(unseen=True)))
    found = await media.describe(tenant, mine.id, "audio/mp4", Facts(seconds=3))
    assert (found.mimetype, found.facts) == ("audio/mp4", Facts(seconds=3))
    assert (await media.get(tenant, MediaId(shared.id))).facts == Facts(unseen=True)
    other = (await tenants.create("Other")).id
    with pytest.raises(MediaNotFound):
        await media.describe(other, mine.id, "audio/mp4", Facts())
