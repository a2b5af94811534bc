"""Sessions may have a proxy of their own."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Two columns: the sealed URL, and what is shown of it."""

    dependencies = [("store", "0014_metadata")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField(model_name="Session", name="proxy", field=fields.TextField(null=True)),
        ops.AddField(
            model_name="Session",
            name="proxy_shown",
            field=fields.CharField(max_length=400, null=True),
        ),
    ]
