"""Chats, contacts and full-text search."""

from __future__ import annotations

from typing import Any

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class _PerDatabase(ops.RunSQL):
    """Statements that the two databases spell differently."""

    def __init__(self, *, postgres: list[str], sqlite: list[str]) -> None:
        super().__init__(postgres)
        self._sqlite = sqlite

    async def _run_sql(self, state_editor: Any, sqls: Any) -> None:
        postgres = state_editor.client.capabilities.dialect == "postgres"
        await super()._run_sql(state_editor, sqls if postgres else self._sqlite)


# `text` holds folded words with single spaces (see `terms.words`): the databases only split it.
# The session and the chat are terms too, so that a search reads no other session's entries. No
# word can be taken for one of them: words hold neither `_` nor `@`.
_POSTGRES = [
    """ALTER TABLE messages ADD COLUMN search tsvector GENERATED ALWAYS AS (array_to_tsvector(
        CASE WHEN text <> '' THEN string_to_array(text, ' ') || session::text || chat::text END
    )) STORED""",
    "CREATE INDEX messages_search ON messages USING gin (search)",
]
# `search` is the row in the index. Its number grows with time: the newest come first, unsorted.
# Beginnings of up to four letters have lists of their own, as few as they are; the longer ones are
# looked up in `message_terms`, a view of the index.
_SQLITE = [
    "ALTER TABLE messages ADD COLUMN search BIGINT",
    "CREATE UNIQUE INDEX messages_search ON messages (search)",
    """CREATE VIRTUAL TABLE message_words USING fts5(
        terms, content='', detail=none, tokenize="ascii tokenchars '_@.-:'", prefix='1 2 3 4'
    )""",
    "CREATE VIRTUAL TABLE message_terms USING fts5vocab(message_words, instance)",
    """CREATE TRIGGER messages_search_insert AFTER INSERT ON messages WHEN new.text <> '' BEGIN
        UPDATE messages SET search = (
            SELECT COALESCE(MAX(search) + 1, new.accepted_at << 20) FROM messages
            WHERE search >= new.accepted_at << 20 AND search < (new.accepted_at + 1) << 20
        ) WHERE id = new.id;
        INSERT INTO message_words (rowid, terms)
            SELECT search, text || ' ' || session || ' ' || chat FROM messages WHERE id = new.id;
    END""",
    """CREATE TRIGGER messages_search_update AFTER UPDATE OF text, chat ON messages
        WHEN old.search IS NOT NULL
    BEGIN
        INSERT INTO message_words (message_words, rowid, terms)
            VALUES ('delete', old.search, old.text || ' ' || old.session || ' ' || old.chat);
        INSERT INTO message_words (rowid, terms)
            SELECT old.search, new.text || ' ' || new.session || ' ' || new.chat
            WHERE new.text <> '';
        UPDATE messages SET search = NULL WHERE id = new.id AND COALESCE(new.text, '') = '';
    END""",
    """CREATE TRIGGER messages_search_delete AFTER DELETE ON messages
        WHEN old.search IS NOT NULL
    BEGIN
        INSERT INTO message_words (message_words, rowid, terms)
            VALUES ('delete', old.search, old.text || ' ' || old.session || ' ' || old.chat);
    END""",
]


class Migration(migrations.Migration):
    """Two tables, and an index over the words of messages."""

    dependencies = [("store", "0006_numbers")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.CreateModel(
            name="Chat",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("session", fields.CharField(max_length=64)),
                ("chat", fields.CharField(max_length=128)),
                ("chat_alt", fields.CharField(null=True, max_length=128)),
                ("kind", fields.CharField(max_length=32)),
                ("name", fields.CharField(null=True, max_length=255)),
                ("folded", fields.TextField(null=True, unique=False)),
                ("last_message", fields.CharField(null=True, max_length=64)),
                ("last_at", fields.BigIntField()),
                ("unread", fields.IntField(default=0)),
                ("marked_unread", fields.IntField(default=0)),
                ("archived", fields.IntField(default=0)),
                ("pinned", fields.IntField(default=0)),
                ("muted_until", fields.BigIntField(null=True)),
            ],
            options={
                "table": "chats",
                "app": "store",
                "unique_together": (("session", "chat"),),
                "indexes": [
                    Index(fields=["session", "pinned", "last_at", "chat"], name="chats_list"),
                ],
                "pk_attr": "id",
                "table_description": "A chat of a session, as its list shows it; kept with every message.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("session", fields.CharField(max_length=64)),
                ("contact", fields.CharField(max_length=128)),
                ("lid", fields.CharField(null=True, max_length=128)),
                ("name", fields.CharField(null=True, max_length=255)),
                ("push_name", fields.CharField(null=True, max_length=255)),
                ("business_name", fields.CharField(null=True, max_length=255)),
                ("folded", fields.TextField(null=True, unique=False)),
                ("about", fields.TextField(null=True, unique=False)),
                ("picture_id", fields.CharField(null=True, max_length=64)),
                ("picture_url", fields.TextField(null=True, unique=False)),
                ("changed_at", fields.BigIntField()),
            ],
            options={
                "table": "contacts",
                "app": "store",
                "unique_together": (("session", "contact"),),
                "indexes": [Index(fields=["session", "lid"], name="contacts_lid")],
                "pk_attr": "id",
                "table_description": "Somebody that a session knows, under one address.",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Message", name="text", field=fields.TextField(null=True, unique=False)
        ),
        _PerDatabase(postgres=_POSTGRES, sqlite=_SQLITE),
    ]
