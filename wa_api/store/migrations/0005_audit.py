"""The audit trail."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """One table."""

    dependencies = [("store", "0004_queues")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("at", fields.BigIntField()),
                ("subject", fields.CharField(max_length=64)),
                ("action", fields.CharField(max_length=32)),
                ("target", fields.CharField(max_length=64)),
                ("address", fields.CharField(max_length=64)),
                ("details", fields.TextField(unique=False)),
            ],
            options={
                "table": "audit",
                "app": "store",
                "indexes": [
                    Index(fields=["tenant", "id"], name="audit_tenant"),
                    Index(fields=["at"], name="audit_age"),
                ],
                "pk_attr": "id",
                "table_description": "Who changed what; `tenant` is empty for the platform's own trail.",
            },
            bases=["Model"],
        ),
    ]
