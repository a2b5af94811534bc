"""Messages that change another one name it; receipts of each recipient in shared chats."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column with an index, and a table."""

    dependencies = [("store", "0008_media")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField(
            model_name="Message", name="target", field=fields.CharField(null=True, max_length=128)
        ),
        ops.CreateModel(
            name="MessageReceipt",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("session", fields.CharField(max_length=64)),
                ("wa_id", fields.CharField(max_length=128)),
                ("recipient", fields.CharField(max_length=128)),
                ("recipient_alt", fields.CharField(null=True, max_length=128)),
                ("delivered_at", fields.BigIntField(null=True)),
                ("read_at", fields.BigIntField(null=True)),
                ("played_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "message_receipts",
                "app": "store",
                "unique_together": (("session", "wa_id", "recipient"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        # Few messages change another one; Tortoise cannot express this condition.
        ops.RunSQL(
            "CREATE INDEX messages_target ON messages (session, target) WHERE target IS NOT NULL",
        ),
    ]
