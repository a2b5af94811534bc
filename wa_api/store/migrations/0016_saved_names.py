"""Which names are from the phone's address book, so that they go when they are gone there."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column: 1 or 0."""

    dependencies = [("store", "0015_proxies")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField(model_name="Contact", name="saved", field=fields.IntField(null=True)),
    ]
