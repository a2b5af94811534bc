"""Contacts' about texts and pictures are kept, with the time when they were learnt."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Two columns: when, in milliseconds."""

    dependencies = [("store", "0011_typing")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField(model_name="Contact", name="about_at", field=fields.BigIntField(null=True)),
        ops.AddField(model_name="Contact", name="picture_at", field=fields.BigIntField(null=True)),
    ]
