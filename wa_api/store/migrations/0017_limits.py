"""Limits of requests, of tenants and of API keys, and where a key may be used from."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Three columns."""

    dependencies = [("store", "0016_saved_names")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.AddField(
            model_name="Tenant", name="requests_per_second", field=fields.FloatField(null=True)
        ),
        ops.AddField(
            model_name="ApiKey", name="requests_per_second", field=fields.FloatField(null=True)
        ),
        ops.AddField(model_name="ApiKey", name="networks", field=fields.TextField(null=True)),
    ]
