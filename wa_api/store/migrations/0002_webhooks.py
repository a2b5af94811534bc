"""Webhooks: endpoints, what could not be delivered yet, and what was tried."""

from __future__ import annotations

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Three tables."""

    dependencies = [("store", "0001_initial")]  # noqa: RUF012 - as Tortoise declares it

    initial = False

    operations = [  # noqa: RUF012 - as Tortoise declares it
        ops.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("name", fields.CharField(null=True, max_length=200)),
                ("url", fields.TextField(unique=False)),
                ("types", fields.TextField(null=True, unique=False)),
                ("sessions", fields.TextField(null=True, unique=False)),
                ("headers", fields.TextField(null=True, unique=False)),
                ("secret", fields.TextField(unique=False)),
                ("old_secret", fields.TextField(null=True, unique=False)),
                ("old_secret_until", fields.BigIntField(null=True)),
                ("ordering", fields.CharField(max_length=32)),
                ("concurrency", fields.IntField()),
                ("batch", fields.IntField()),
                ("timeout", fields.IntField()),
                ("state", fields.CharField(max_length=32)),
                ("reason", fields.CharField(max_length=32)),
                ("detail", fields.TextField(null=True, unique=False)),
                ("since", fields.BigIntField()),
                ("failing_since", fields.BigIntField(null=True)),
                ("cursor", fields.BigIntField()),
                ("version", fields.IntField(default=0)),
                ("moves", fields.IntField(default=0)),
                ("epoch", fields.BigIntField(default=0)),
                ("worker", fields.CharField(null=True, max_length=64)),
                ("created_at", fields.BigIntField()),
            ],
            options={
                "table": "webhooks",
                "app": "store",
                "indexes": [
                    Index(fields=["tenant", "id"], name="webhooks_tenant"),
                    Index(fields=["state", "id"], name="webhooks_state"),
                ],
                "pk_attr": "id",
                "table_description": "An endpoint that a tenant's events are delivered to, how far, and by whom.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WebhookBacklog",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("webhook", fields.CharField(max_length=64)),
                ("cursor", fields.BigIntField()),
                ("lane", fields.CharField(max_length=256)),
                ("session", fields.CharField(null=True, max_length=64)),
                ("type", fields.CharField(max_length=64)),
                ("envelope", fields.BinaryField()),
                ("attempts", fields.IntField()),
                ("next_at", fields.BigIntField()),
                ("first_at", fields.BigIntField(null=True)),
                ("last_at", fields.BigIntField(null=True)),
                ("dead_at", fields.BigIntField(null=True)),
                ("error", fields.TextField(null=True, unique=False)),
                ("status", fields.IntField(null=True)),
                ("response", fields.TextField(null=True, unique=False)),
            ],
            options={
                "table": "webhook_backlog",
                "app": "store",
                "unique_together": (("webhook", "cursor"),),
                "indexes": [
                    Index(fields=["webhook", "dead_at", "cursor"], name="webhook_backlog_next")
                ],
                "pk_attr": "id",
                "table_description": "An event that could not be delivered at once: to be tried again, or (`dead_at`) given up.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("tenant", fields.CharField(max_length=64)),
                ("webhook", fields.CharField(max_length=64)),
                ("event", fields.CharField(max_length=64)),
                ("type", fields.CharField(max_length=64)),
                ("events", fields.IntField()),
                ("attempt", fields.IntField()),
                ("at", fields.BigIntField()),
                ("duration", fields.IntField()),
                ("delivered", fields.BooleanField()),
                ("status", fields.IntField(null=True)),
                ("error", fields.TextField(null=True, unique=False)),
                ("response", fields.TextField(null=True, unique=False)),
            ],
            options={
                "table": "webhook_deliveries",
                "app": "store",
                "indexes": [
                    Index(fields=["webhook", "id"], name="webhook_deliveries_webhook"),
                    Index(fields=["at"], name="webhook_deliveries_age"),
                ],
                "pk_attr": "id",
                "table_description": "One request to an endpoint and what came of it; kept for some days.",
            },
            bases=["Model"],
        ),
        ops.AlterModelOptions(
            name="ApiKey",
            options={
                "table": "api_keys",
                "app": "store",
                "indexes": [Index(fields=["tenant", "id"], name="api_keys_tenant")],
                "pk_attr": "id",
                "table_description": "A machine's right to call; only the hash of its secret is kept.",
            },
        ),
        ops.AlterModelOptions(
            name="EventRow",
            options={
                "table": "events",
                "app": "store",
                "unique_together": (("tenant", "cursor"),),
                "indexes": [Index(fields=["tenant", "session", "cursor"], name="events_session")],
                "pk_attr": "id",
                "table_description": "An archived log entry: its envelope's JSON without the id.",
            },
        ),
        ops.AlterModelOptions(
            name="IdempotencyKey",
            options={
                "table": "idempotency_keys",
                "app": "store",
                "indexes": [Index(fields=["expires_at"], name="idempotency_keys_expiry")],
                "pk_attr": "id",
                "table_description": "Which message a key made; `id` is a digest of tenant and key.",
            },
        ),
        ops.AlterModelOptions(
            name="Log",
            options={
                "table": "logs",
                "app": "store",
                "pk_attr": "tenant",
                "table_description": "What the database knows of a tenant's log, so that a lost Redis starts above it.",
            },
        ),
        ops.AlterModelOptions(
            name="Message",
            options={
                "table": "messages",
                "app": "store",
                "unique_together": (("session", "wa_id", "chat", "sender"),),
                "indexes": [
                    Index(fields=["session", "id"], name="messages_session"),
                    Index(fields=["session", "chat", "id"], name="messages_chat"),
                ],
                "pk_attr": "id",
                "table_description": "A message in or out, with the times at which its status changed.",
            },
        ),
        ops.AlterModelOptions(
            name="OneTimeToken",
            options={
                "table": "one_time_tokens",
                "app": "store",
                "indexes": [Index(fields=["expires_at"], name="one_time_tokens_expiry")],
                "pk_attr": "hash",
                "table_description": "A secret that opens the door once (the administrator's first link).",
            },
        ),
        ops.AlterModelOptions(
            name="RefreshToken",
            options={
                "table": "refresh_tokens",
                "app": "store",
                "indexes": [
                    Index(fields=["family"], name="refresh_tokens_family"),
                    Index(fields=["subject"], name="refresh_tokens_subject"),
                    Index(fields=["expires_at"], name="refresh_tokens_expiry"),
                ],
                "pk_attr": "hash",
                "table_description": "One link of a refresh token's chain; all links of one sign-in share `family`.",
            },
        ),
        ops.AlterModelOptions(
            name="RevokedToken",
            options={
                "table": "revoked_tokens",
                "app": "store",
                "indexes": [Index(fields=["until"], name="revoked_tokens_until")],
                "pk_attr": "jti",
                "table_description": "An access token that is void before its time.",
            },
        ),
        ops.AlterModelOptions(
            name="Session",
            options={
                "table": "sessions",
                "app": "store",
                "unique_together": (("tenant", "name"),),
                "indexes": [
                    Index(fields=["tenant", "id"], name="sessions_tenant"),
                    Index(fields=["network", "desired", "state"], name="sessions_wanted"),
                ],
                "pk_attr": "id",
                "table_description": "One linked WhatsApp number: what is wanted, and what its owner last reported.",
            },
        ),
        ops.AlterModelOptions(
            name="Tenant",
            options={
                "table": "tenants",
                "app": "store",
                "pk_attr": "id",
                "table_description": "Who is isolated from whom.",
            },
        ),
        ops.AlterModelOptions(
            name="User",
            options={
                "table": "users",
                "app": "store",
                "indexes": [Index(fields=["tenant", "id"], name="users_tenant")],
                "pk_attr": "id",
                "table_description": "Somebody with a password; `tenant` is null for the platform's own.",
            },
        ),
    ]
