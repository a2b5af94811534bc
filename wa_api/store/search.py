"""Full-text search over the words of messages, the same on both databases.

Words are folded and cut beforehand (`terms`), so that the databases only look them up: PostgreSQL in a GIN index
over a generated `tsvector`, SQLite in FTS5, kept by triggers (see migrations 0007 and 0010). Session and
chat are terms too: a search costs what its own session holds, whatever there is beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.messages import MessageView
from wa_api.store.changes import shown
from wa_api.store.db import Row, Sql, Work, database
from wa_api.store.terms import LONGEST, WORD, fold, readable, words
from wa_api.store.views import MESSAGE_COLUMNS, to_ms, view

#: So many words of a query count.
MOST_ASKED = 16
#: Around the first word that was found, so many characters are shown.
SNIPPET = 120


@dataclass(frozen=True, slots=True)
class Found:
    """A message and where it matches: `snippet` marks nothing, `at` are (start, end) in it."""

    message: MessageView
    snippet: str
    at: list[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What else a message must be; `since` (inclusive) and `until` in Unix seconds."""

    chat: str | None = None
    sender: str | None = None
    type: str | None = None
    since: float | None = None
    until: float | None = None


async def search(
    tenant: TenantId,
    session: SessionId,
    asked: str,
    given: Filter,
    *,
    before: str | None = None,
    limit: int = 50,
) -> tuple[list[Found], str | None]:
    """Messages with all words of `asked` (the last may be a beginning), newest first.

    The second value goes on as `before`; None at the end. A text without a word finds nothing.
    Messages are as they are now, and revoked ones are left out.
    """
    terms = words(asked).split()[:MOST_ASKED]
    if not terms:
        return [], None
    postgres = database().postgres
    make = _postgres if postgres else _sqlite
    text, args = make(tenant, session, terms, given, before)
    query = Sql(f"{text} LIMIT {int(limit)}", tuple(args))
    rows = await database().run(lambda: _planned(query, postgres))
    messages = await shown(tenant, session, [view(row) for row in rows])
    found = [_found(one, terms) for one in messages if one.revoked is None]
    last = rows[-1] if len(rows) >= limit else None
    return found, None if last is None else str(last["id"] if postgres else last["search"])


def _planned(query: Sql, postgres: bool) -> Work[Sequence[Row]]:
    """Rows of a query that is planned for its own words: for common ones the newest messages are
    looked through, for rare ones the index is asked. A plan for any word would take the index.
    """
    if postgres:
        yield Sql("SET LOCAL plan_cache_mode = force_custom_plan")
    return (yield query)


class _Conditions:
    """Conditions and their arguments."""

    def __init__(self, *args: Any) -> None:
        self.args, self.parts = list(args), list[str]()

    def add(self, condition: str, value: Any) -> None:
        if value is not None:
            self.args.append(value)
            self.parts.append(condition.format(f"${len(self.args)}"))

    def text(self) -> str:
        return "".join(f" AND {part}" for part in self.parts)


def _conditions(tenant: TenantId, session: SessionId, query: str, given: Filter) -> _Conditions:
    both = _Conditions(tenant, session, query)
    both.add("m.chat = {}", given.chat)
    both.add("m.sender = {}", given.sender)
    both.add("m.type = {}", given.type)
    both.add("m.time >= {}", None if given.since is None else to_ms(given.since))
    both.add("m.time < {}", None if given.until is None else to_ms(given.until))
    return both


def _scoped(session: SessionId, terms: Sequence[str], given: Filter) -> list[str]:
    """The words and the narrower of chat and session: of fewer messages than their session's."""
    return [given.chat or session, *terms]


def _postgres(
    tenant: TenantId, session: SessionId, terms: Sequence[str], given: Filter, before: str | None
) -> tuple[str, list[Any]]:
    # Beside other words the beginning of one is looked for in what those find: the index would
    # gather all that begins so first.
    whole, beginning = (terms[:-1], f"% {terms[-1]}%") if len(terms) > 1 else (terms, None)
    query = " & ".join(f"'{term}'" for term in _scoped(session, whole, given))
    both = _conditions(tenant, session, query if beginning else f"{query}:*", given)
    both.add("' ' || m.text LIKE {}", beginning)
    both.add("m.id < {}", before)
    return (
        f"SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.tenant = $1 AND m.session = $2 "
        f"AND m.search @@ $3::tsquery{both.text()} ORDER BY m.id DESC"
    ), both.args


def _sqlite(
    tenant: TenantId, session: SessionId, terms: Sequence[str], given: Filter, before: str | None
) -> tuple[str, list[Any]]:
    query = " AND ".join(f'"{term}"' for term in _scoped(session, terms, given)) + "*"
    both = _conditions(tenant, session, query, given)
    both.add("w.rowid < {}", int(before) if before and before.isdigit() else None)
    columns = ", ".join(f"m.{name.strip()}" for name in MESSAGE_COLUMNS.split(","))
    return (
        f"SELECT m.search, {columns} FROM message_words w CROSS JOIN messages m "
        "ON m.search = w.rowid WHERE m.tenant = $1 AND m.session = $2 "
        f"AND message_words MATCH $3{both.text()} ORDER BY w.rowid DESC"
    ), both.args


def _found(message: MessageView, terms: Sequence[str]) -> Found:
    return Found(message, *snippet(readable(message.content), terms))


def snippet(text: str, terms: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """A part of `text` around the first found word, and the places of found words in it."""
    hits = [
        word.span()
        for word in WORD.finditer(text)
        if any(_matches(part, terms) for part in WORD.findall(fold(word[0])))
    ]
    start = max(0, hits[0][0] - SNIPPET // 3) if hits else 0
    start = text.rfind(" ", 0, start) + 1 if start else 0
    part = text[start : start + SNIPPET]
    return part, [(a - start, b - start) for a, b in hits if b - start <= len(part)]


def _matches(word: str, terms: Sequence[str]) -> bool:
    cut = word[:LONGEST]
    return cut in terms or cut.startswith(terms[-1])
