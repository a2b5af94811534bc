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
#: On SQLite, beginnings of so many letters are in the index (see migration 0007), and longer ones
#: stand for so many words by their names.
INDEXED, MOST_TERMS = 4, 32
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
    find = _on_postgres if database().postgres else _on_sqlite
    rows = await find(_Search(tenant, session, terms, given, before, limit))
    messages = await shown(tenant, session, [view(row) for row in rows])
    found = [_found(one, terms) for one in messages if one.revoked is None]
    last = rows[-1] if len(rows) >= limit else None
    return found, None if last is None else str(last["place"])


@dataclass(frozen=True, slots=True)
class _Search:
    tenant: TenantId
    session: SessionId
    terms: list[str]
    given: Filter
    before: str | None
    limit: int

    @property
    def scope(self) -> str:
        """The narrower of chat and session, which are terms: of fewer messages than the other."""
        return self.given.chat or self.session

    def conditions(self, query: str) -> _Conditions:
        """What holds beside `query`, the index's own ($3)."""
        given, both = self.given, _Conditions(self.tenant, self.session, query)
        both.add("m.chat = {}", given.chat)
        both.add("m.sender = {}", given.sender)
        both.add("m.type = {}", given.type)
        both.add("m.time >= {}", None if given.since is None else to_ms(given.since))
        both.add("m.time < {}", None if given.until is None else to_ms(given.until))
        return both


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


async def _on_postgres(search: _Search) -> Sequence[Row]:
    # Beside other words the beginning of one is looked for in what those find: the index would
    # gather all that begins so first.
    *whole, last = search.terms
    whole, beginning = (whole, f"% {last}%") if whole else ([last], None)
    query = " & ".join(f"'{term}'" for term in (search.scope, *whole))
    both = search.conditions(query if beginning else f"{query}:*")
    both.add("' ' || m.text LIKE {}", beginning)
    both.add("m.id < {}", search.before)
    text = (
        f"SELECT m.id AS place, {MESSAGE_COLUMNS} FROM messages m "
        f"WHERE m.tenant = $1 AND m.session = $2 AND m.search @@ $3::tsquery{both.text()} "
        f"ORDER BY m.id DESC LIMIT {search.limit:d}"
    )

    def planned() -> Work[Sequence[Row]]:
        # For its own words: for common ones the newest messages are looked through, for rare ones
        # the index is asked. A plan for any word would take the index.
        yield Sql("SET LOCAL plan_cache_mode = force_custom_plan")
        return (yield Sql(text, tuple(both.args)))

    return await database().run(planned)


async def _on_sqlite(search: _Search) -> Sequence[Row]:
    *whole, last = search.terms
    query = " AND ".join(f'"{term}"' for term in (search.scope, *whole))
    both = search.conditions(f"{query} AND {await _beginning(last)}")
    at = search.before
    both.add("w.rowid < {}", int(at) if at and at.isdigit() else None)
    columns = ", ".join(f"m.{name.strip()}" for name in MESSAGE_COLUMNS.split(","))
    text = (
        f"SELECT m.search AS place, {columns} FROM message_words w CROSS JOIN messages m "
        "ON m.search = w.rowid WHERE m.tenant = $1 AND m.session = $2 "
        f"AND message_words MATCH $3{both.text()} ORDER BY w.rowid DESC LIMIT {search.limit:d}"
    )
    return await database().fetch(text, *both.args)


#: Terms that begin with $1, in order; "~" comes after all that a term may go on with, but letters
#: that are not ASCII, "!" before.
_BEGINNING = f"""
WITH RECURSIVE found(term) AS (
    SELECT (SELECT term FROM message_terms WHERE term >= $1 LIMIT 1)
    UNION ALL
    SELECT (SELECT term FROM message_terms WHERE term >= found.term || '!' LIMIT 1)
    FROM found WHERE substr(found.term, 1, length($1)) = $1
)
SELECT term FROM found WHERE substr(term, 1, length($1)) = $1 LIMIT {MOST_TERMS + 1}
"""


async def _beginning(start: str) -> str:
    """What finds the terms that begin so. Short beginnings are in the index; for a longer one FTS5
    gathers all messages that have it before it shows the newest, so where these terms are few they
    are named.
    """
    if len(start) <= INDEXED:
        return f'"{start}"*'
    terms = [row["term"] for row in await database().fetch(_BEGINNING, start)]
    if not 0 < len(terms) <= MOST_TERMS:
        return f'"{start}"*'
    named = " OR ".join(f'"{term}"' for term in terms)
    return f"({named})"


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
