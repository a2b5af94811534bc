"""Numbers: who has WhatsApp, as far as it was asked."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """One table."""

    dependencies = [("store", "0005_audit")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.CreateModel(
            name="Number",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("on_whatsapp", fields.BooleanField()),
                ("until", fields.BigIntField()),
            ],
            options={
                "table": "numbers",
                "app": "store",
                "indexes": [Index(fields=["until"], name="numbers_age")],
                "pk_attr": "id",
                "table_description": "Whether a phone number has WhatsApp; `id` is `<tenant>:<digits>`.",
            },
            bases=["Model"],
        ),
    ]
