"""The check that every write of an owner passes, inside the transaction that writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from wa_api.domain.errors import Fenced
from wa_api.store.db import Sql, Work
from wa_api.store.rows import Owned

T = TypeVar("T")


def held(items: Sequence[Owned[T]]) -> Work[list[bool]]:
    """Whether each item's lease is still the newest, and will be until the commit.

    The session rows stay locked against `fleet.claim` until the transaction ends (on SQLite the
    whole database is), always in the order of their ids.
    """
    sessions = sorted({owned.lease.session for owned in items})
    rows = yield Sql(
        "SELECT id, tenant, epoch FROM sessions WHERE id = ANY($1::text[]) "
        "AND deleted_at IS NULL ORDER BY id FOR SHARE",
        (sessions,),
    )
    newest = {row["id"]: (row["tenant"], row["epoch"]) for row in rows}
    return [newest.get(owned.lease.session) == (owned.tenant, owned.lease.epoch) for owned in items]


def hold(owned: Owned[T]) -> Work[None]:
    """Like `held` for one; raises Fenced."""
    if not (yield from held([owned]))[0]:
        raise Fenced
