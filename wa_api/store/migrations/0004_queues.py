"""Queues: priorities and times of messages that wait, and what outlives a queue's owner."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Three columns and a table."""

    dependencies = [("store", "0003_trails")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField("Message", "priority", fields.CharField(null=True, max_length=16)),
        ops.AddField("Message", "send_at", fields.BigIntField(null=True)),
        ops.AddField("Message", "scheduled_at", fields.BigIntField(null=True)),
        ops.CreateModel(
            name="SessionQueue",
            fields=[
                (
                    "session",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("paused_at", fields.BigIntField(null=True)),
                ("linked_at", fields.BigIntField(null=True)),
                ("day", fields.IntField(default=0)),
                ("sent", fields.IntField(default=0)),
                ("first_contacts", fields.IntField(default=0)),
                ("restricted_until", fields.BigIntField(null=True)),
                ("restrictions", fields.IntField(default=0)),
            ],
            options={
                "table": "session_queues",
                "app": "store",
                "pk_attr": "session",
                "table_description": "What must outlive owners of a session's queue: whether it is paused, what was sent on the UTC `day`, since when the number is linked, and until when WhatsApp restricts it.",
            },
            bases=["Model"],
        ),
        # Few rows of a long table; Tortoise cannot express this condition.
        ops.RunSQL(
            "CREATE INDEX messages_due ON messages (send_at) WHERE status = 'scheduled'",
        ),
        ops.RunSQL(
            "CREATE INDEX messages_scheduled ON messages (session, id) WHERE status = 'scheduled'",
        ),
    ]
