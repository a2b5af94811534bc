"""Batches, scheduled messages and the next owner show "typing…" too."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column: for how many milliseconds."""

    dependencies = [("store", "0010_search")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField(model_name="Message", name="typing", field=fields.BigIntField(null=True)),
    ]
