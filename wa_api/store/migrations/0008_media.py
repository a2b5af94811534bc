"""Media: what is known of files that messages carry."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """One table."""

    dependencies = [("store", "0007_chats")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.CreateModel(
            name="Media",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("session", fields.CharField(max_length=64)),
                ("sha256", fields.CharField(max_length=64)),
                ("size", fields.BigIntField()),
                ("mimetype", fields.CharField(max_length=255)),
                ("filename", fields.TextField(null=True, unique=False)),
                ("facts", fields.TextField(unique=False)),
                ("original", fields.CharField(null=True, max_length=64)),
                ("made_as", fields.CharField(null=True, max_length=32)),
                ("created_at", fields.BigIntField()),
                ("used_at", fields.BigIntField()),
            ],
            options={
                "table": "media",
                "app": "store",
                "unique_together": (("tenant", "sha256", "session"),),
                "indexes": [
                    Index(fields=["tenant", "used_at"], name="media_age"),
                    Index(fields=["original", "made_as"], name="media_made"),
                    Index(fields=["session"], name="media_session"),
                ],
                "pk_attr": "id",
                "table_description": "A file of a tenant: kept once per tenant and hash, a row per session that has it.",
            },
            bases=["Model"],
        ),
    ]
