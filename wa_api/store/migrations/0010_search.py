"""Search: what the index has not sorted in yet is looked through by every search, so it is little."""

from __future__ import annotations

from typing import Any

from tortoise import migrations
from tortoise.migrations import operations as ops


class _OnPostgres(ops.RunSQL):
    """A statement for PostgreSQL alone."""

    async def _run_sql(self, state_editor: Any, sqls: Any) -> None:
        if state_editor.client.capabilities.dialect == "postgres":
            await super()._run_sql(state_editor, sqls)


class Migration(migrations.Migration):
    """A quarter of the default (kB): searches are measured in milliseconds, inserts lose little.

    And five times the usual number of words whose frequency is known: the planner must know of a
    beginning whether to look through the newest messages or to ask the index.
    """

    dependencies = [("store", "0009_message_changes")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        _OnPostgres("ALTER INDEX messages_search SET (gin_pending_list_limit = 1024)"),
        _OnPostgres("ALTER TABLE messages ALTER COLUMN search SET STATISTICS 500"),
    ]
