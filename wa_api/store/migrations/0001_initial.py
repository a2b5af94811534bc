"""The first schema."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Everything the first version keeps."""

    initial = True

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(null=True, max_length=64)),
                ("name", fields.CharField(max_length=200)),
                ("hash", fields.CharField(max_length=64)),
                ("scopes", fields.TextField(unique=False)),
                ("sessions", fields.TextField(null=True, unique=False)),
                ("expires_at", fields.BigIntField(null=True)),
                ("created_at", fields.BigIntField()),
                ("last_used_at", fields.BigIntField(null=True)),
                ("revoked_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "api_keys",
                "app": "store",
                "indexes": [Index(fields=["tenant", "id"], name="api_keys_tenant")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="EventRow",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("cursor", fields.BigIntField()),
                ("session", fields.CharField(null=True, max_length=64)),
                ("type", fields.CharField(max_length=64)),
                ("time", fields.BigIntField()),
                ("tail", fields.BinaryField()),
            ],
            options={
                "table": "events",
                "app": "store",
                "unique_together": (("tenant", "cursor"),),
                "indexes": [Index(fields=["tenant", "session", "cursor"], name="events_session")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="IdempotencyKey",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("request_hash", fields.CharField(max_length=128)),
                ("message", fields.CharField(max_length=64)),
                ("expires_at", fields.BigIntField()),
            ],
            options={
                "table": "idempotency_keys",
                "app": "store",
                "indexes": [Index(fields=["expires_at"], name="idempotency_keys_expiry")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Log",
            fields=[
                (
                    "tenant",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("archived", fields.BigIntField(default=0)),
                ("generation", fields.CharField(null=True, max_length=32)),
                ("floor", fields.BigIntField(default=0)),
            ],
            options={"table": "logs", "app": "store", "pk_attr": "tenant"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("session", fields.CharField(max_length=64)),
                ("direction", fields.CharField(max_length=3)),
                ("chat", fields.CharField(max_length=128)),
                ("chat_alt", fields.CharField(null=True, max_length=128)),
                ("sender", fields.CharField(null=True, max_length=128)),
                ("sender_alt", fields.CharField(null=True, max_length=128)),
                ("sender_name", fields.CharField(null=True, max_length=255)),
                ("wa_id", fields.CharField(null=True, max_length=128)),
                ("type", fields.CharField(max_length=32)),
                ("content", fields.TextField(unique=False)),
                ("context", fields.TextField(null=True, unique=False)),
                ("status", fields.CharField(max_length=32)),
                ("time", fields.BigIntField()),
                ("accepted_at", fields.BigIntField()),
                ("queued_at", fields.BigIntField(null=True)),
                ("sending_at", fields.BigIntField(null=True)),
                ("unknown_at", fields.BigIntField(null=True)),
                ("sent_at", fields.BigIntField(null=True)),
                ("delivered_at", fields.BigIntField(null=True)),
                ("read_at", fields.BigIntField(null=True)),
                ("played_at", fields.BigIntField(null=True)),
                ("ended_at", fields.BigIntField(null=True)),
                ("error_code", fields.CharField(null=True, max_length=64)),
                ("error_detail", fields.TextField(null=True, unique=False)),
                ("deadline", fields.BigIntField(null=True)),
                ("on_unknown", fields.CharField(null=True, max_length=16)),
                ("ref", fields.TextField(null=True, unique=False)),
                ("source", fields.CharField(max_length=16)),
                ("proto", fields.BinaryField(null=True)),
            ],
            options={
                "table": "messages",
                "app": "store",
                "unique_together": (("session", "wa_id", "chat", "sender"),),
                "indexes": [
                    Index(fields=["session", "id"], name="messages_session"),
                    Index(fields=["session", "chat", "id"], name="messages_chat"),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OneTimeToken",
            fields=[
                (
                    "hash",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("purpose", fields.CharField(max_length=32)),
                ("tenant", fields.CharField(null=True, max_length=64)),
                ("claims", fields.TextField(unique=False)),
                ("expires_at", fields.BigIntField()),
            ],
            options={
                "table": "one_time_tokens",
                "app": "store",
                "indexes": [Index(fields=["expires_at"], name="one_time_tokens_expiry")],
                "pk_attr": "hash",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="RefreshToken",
            fields=[
                (
                    "hash",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("family", fields.CharField(max_length=64)),
                ("tenant", fields.CharField(null=True, max_length=64)),
                ("subject", fields.CharField(max_length=64)),
                ("claims", fields.TextField(unique=False)),
                ("expires_at", fields.BigIntField()),
                ("used_at", fields.BigIntField(null=True)),
                ("revoked_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "refresh_tokens",
                "app": "store",
                "indexes": [
                    Index(fields=["family"], name="refresh_tokens_family"),
                    Index(fields=["subject"], name="refresh_tokens_subject"),
                    Index(fields=["expires_at"], name="refresh_tokens_expiry"),
                ],
                "pk_attr": "hash",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="RevokedToken",
            fields=[
                (
                    "jti",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("until", fields.BigIntField()),
            ],
            options={
                "table": "revoked_tokens",
                "app": "store",
                "indexes": [Index(fields=["until"], name="revoked_tokens_until")],
                "pk_attr": "jti",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("name", fields.CharField(null=True, max_length=200)),
                ("network", fields.CharField(max_length=32)),
                ("desired", fields.CharField(max_length=32)),
                ("state", fields.CharField(max_length=32)),
                ("reason", fields.CharField(max_length=64)),
                ("detail", fields.TextField(null=True, unique=False)),
                ("since", fields.BigIntField()),
                ("until", fields.BigIntField(null=True)),
                ("jid", fields.CharField(null=True, max_length=128)),
                ("lid", fields.CharField(null=True, max_length=128)),
                ("push_name", fields.CharField(null=True, max_length=255)),
                ("epoch", fields.BigIntField(default=0)),
                ("attempts", fields.IntField(default=0)),
                ("worker", fields.CharField(null=True, max_length=64)),
                ("settings", fields.TextField(unique=False)),
                ("created_at", fields.BigIntField()),
                ("deleted_at", fields.BigIntField(null=True)),
                ("forgotten_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "sessions",
                "app": "store",
                "unique_together": (("tenant", "name"),),
                "indexes": [
                    Index(fields=["tenant", "id"], name="sessions_tenant"),
                    Index(fields=["network", "desired", "state"], name="sessions_wanted"),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Tenant",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("name", fields.CharField(max_length=200)),
                ("max_sessions", fields.IntField(null=True)),
                ("retention_days", fields.IntField(null=True)),
                ("created_at", fields.BigIntField()),
                ("deleted_at", fields.BigIntField(null=True)),
            ],
            options={"table": "tenants", "app": "store", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(null=True, max_length=64)),
                ("name", fields.CharField(unique=True, max_length=200)),
                ("password", fields.CharField(max_length=200)),
                ("role", fields.CharField(max_length=32)),
                ("created_at", fields.BigIntField()),
                ("disabled_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "users",
                "app": "store",
                "indexes": [Index(fields=["tenant", "id"], name="users_tenant")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        # Work lists look at few rows of a long table; Tortoise cannot express this condition.
        ops.RunSQL(
            "CREATE INDEX messages_pending ON messages (session, id) "
            "WHERE status IN ('accepted', 'queued', 'sending')",
        ),
    ]
