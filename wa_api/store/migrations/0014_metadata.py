"""Sessions have metadata, which their events carry."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column: a JSON object of strings."""

    dependencies = [("store", "0013_chat_timers")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField(model_name="Session", name="metadata", field=fields.TextField(null=True)),
    ]
