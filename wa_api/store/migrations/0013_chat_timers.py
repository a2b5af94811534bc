"""Chats know after how long their messages disappear."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Two columns: the seconds, and when that was set (milliseconds)."""

    dependencies = [("store", "0012_contact_facts")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField(model_name="Chat", name="disappears_after", field=fields.IntField(null=True)),
        ops.AddField(
            model_name="Chat", name="disappears_set_at", field=fields.BigIntField(null=True)
        ),
    ]
