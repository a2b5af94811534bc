"""Events know the message that they are about; a log knows what it has forgotten."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Two columns and an index."""

    dependencies = [("store", "0002_webhooks")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField("EventRow", "subject", fields.CharField(null=True, max_length=64)),
        ops.AddIndex("EventRow", Index(fields=["subject", "cursor"], name="events_subject")),
        ops.AddField("Log", "forgotten", fields.BigIntField(null=True)),
    ]
