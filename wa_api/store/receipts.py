"""How far messages got with each of several recipients: what owners write, in batches."""

from __future__ import annotations

from collections.abc import Sequence

from wa_api.domain.errors import Fenced
from wa_api.domain.ids import new_id
from wa_api.domain.messages import Status
from wa_api.store.db import Work, database, insert
from wa_api.store.fence import held
from wa_api.store.rows import NewReceipt, Owned
from wa_api.store.views import to_ms

_COLUMNS = {
    "id": "text",
    "tenant": "text",
    "session": "text",
    "wa_id": "text",
    "recipient": "text",
    "recipient_alt": "text",
    "delivered_at": "bigint",
    "read_at": "bigint",
    "played_at": "bigint",
}
_TIMES = {Status.DELIVERED: 0, Status.READ: 1, Status.PLAYED: 2}
_JID = 128
# The first time counts: receipts come again.
_KEEP = ", ".join(
    f"{name} = COALESCE(message_receipts.{name}, excluded.{name})" for name in list(_COLUMNS)[5:]
)
_TAIL = f"ON CONFLICT (session, wa_id, recipient) DO UPDATE SET {_KEEP}"

_Key = tuple[str, str, str]


async def record(items: Sequence[Owned[NewReceipt]]) -> list[Fenced | None]:
    """Keep receipts; Fenced where somebody newer owns the session."""
    return await database().run(lambda: _record(items))


def _record(items: Sequence[Owned[NewReceipt]]) -> Work[list[Fenced | None]]:
    mine = yield from held(items)
    rows: dict[_Key, tuple[object, ...]] = {}
    for owned, good in zip(items, mine, strict=True):
        if good:
            _merge(rows, owned)
    if rows:
        yield insert("message_receipts", _COLUMNS, [rows[key] for key in sorted(rows)], _TAIL)
    return [None if good else Fenced() for good in mine]


def _merge(rows: dict[_Key, tuple[object, ...]], owned: Owned[NewReceipt]) -> None:
    """One statement may touch a row once: what a batch says of a recipient is one row."""
    new, session = owned.item, owned.lease.session
    key = (session, new.wa_id[:_JID], new.recipient[:_JID])
    times: list[object] = [None, None, None]
    times[_TIMES[new.status]] = to_ms(new.time)
    alt = new.recipient_alt[:_JID] if new.recipient_alt else None
    fresh = (new_id("rcp"), owned.tenant, *key, alt, *times)
    before = rows.get(key, fresh)
    rows[key] = tuple(
        old if old is not None else new for old, new in zip(before, fresh, strict=True)
    )
