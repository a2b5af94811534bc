"""The tables. Times are integer milliseconds since 1970 (UTC); JSON is kept as text.

Text columns instead of `jsonb` because message texts may hold NUL, which `jsonb` refuses.
There are no foreign keys: deletion is a mark that `fleet.purge` follows up in small steps, and
every insert names its session by reading it. One file: what a column means is mostly said by the
tables beside it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

ID = 64
JID = 128


def _id() -> Any:
    return fields.CharField(max_length=ID, primary_key=True)


def _ref(null: bool = False) -> Any:
    return fields.CharField(max_length=ID, null=True) if null else fields.CharField(max_length=ID)


def _word() -> Any:
    return fields.CharField(max_length=32)


def _jid() -> Any:
    return fields.CharField(max_length=JID, null=True)


def _ms(null: bool = True) -> Any:
    return fields.BigIntField(null=True) if null else fields.BigIntField()


class Tenant(Model):
    """Who is isolated from whom."""

    id = _id()
    name = fields.CharField(max_length=200)
    max_sessions = fields.IntField(null=True)
    retention_days = fields.IntField(null=True)
    requests_per_second = fields.FloatField(null=True)
    created_at = _ms(null=False)
    deleted_at = _ms()

    class Meta:
        table = "tenants"


class User(Model):
    """Somebody with a password; `tenant` is null for the platform's own."""

    id = _id()
    tenant = _ref(null=True)
    name = fields.CharField(max_length=200, unique=True)
    password = fields.CharField(max_length=200)  # argon2id, PHC string
    role = _word()
    created_at = _ms(null=False)
    disabled_at = _ms()

    class Meta:
        table = "users"
        indexes: ClassVar = [Index(fields=("tenant", "id"), name="users_tenant")]


class ApiKey(Model):
    """A machine's right to call; only the hash of its secret is kept."""

    id = _id()
    tenant = _ref(null=True)
    name = fields.CharField(max_length=200)
    hash = fields.CharField(max_length=64)
    scopes = fields.TextField()  # JSON array
    sessions = fields.TextField(null=True)  # JSON array, null: all
    networks = fields.TextField(null=True)  # JSON array, null: from anywhere
    requests_per_second = fields.FloatField(null=True)
    expires_at = _ms()
    created_at = _ms(null=False)
    last_used_at = _ms()
    revoked_at = _ms()

    class Meta:
        table = "api_keys"
        indexes: ClassVar = [Index(fields=("tenant", "id"), name="api_keys_tenant")]


class RevokedToken(Model):
    """An access token that is void before its time."""

    jti = _id()
    until = _ms(null=False)

    class Meta:
        table = "revoked_tokens"
        indexes: ClassVar = [Index(fields=("until",), name="revoked_tokens_until")]


class RefreshToken(Model):
    """One link of a refresh token's chain; all links of one sign-in share `family`."""

    hash = fields.CharField(max_length=64, primary_key=True)
    family = _ref()
    tenant = _ref(null=True)
    subject = _ref()
    claims = fields.TextField()  # JSON, what the caller wants back at rotation
    expires_at = _ms(null=False)
    used_at = _ms()
    revoked_at = _ms()

    class Meta:
        table = "refresh_tokens"
        indexes: ClassVar = [
            Index(fields=("family",), name="refresh_tokens_family"),
            Index(fields=("subject",), name="refresh_tokens_subject"),
            Index(fields=("expires_at",), name="refresh_tokens_expiry"),
        ]


class OneTimeToken(Model):
    """A secret that opens the door once (the administrator's first link)."""

    hash = fields.CharField(max_length=64, primary_key=True)
    purpose = _word()
    tenant = _ref(null=True)
    claims = fields.TextField()
    expires_at = _ms(null=False)

    class Meta:
        table = "one_time_tokens"
        indexes: ClassVar = [Index(fields=("expires_at",), name="one_time_tokens_expiry")]


class Session(Model):
    """One linked WhatsApp number: what is wanted, and what its owner last reported."""

    id = _id()
    tenant = _ref()
    name = fields.CharField(max_length=200, null=True)
    network = _word()
    desired = _word()
    state = _word()
    reason = fields.CharField(max_length=64)
    detail = fields.TextField(null=True)
    since = _ms(null=False)
    until = _ms()
    jid = _jid()
    lid = _jid()
    push_name = fields.CharField(max_length=255, null=True)
    epoch = fields.BigIntField(default=0)
    attempts = fields.IntField(default=0)  # starts since it last ran well
    worker = _ref(null=True)
    settings = fields.TextField()  # JSON object
    metadata = fields.TextField(null=True)  # JSON object of strings
    proxy = fields.TextField(null=True)  # sealed URL
    proxy_shown = fields.CharField(max_length=400, null=True)  # without its secrets
    created_at = _ms(null=False)
    deleted_at = _ms()
    forgotten_at = _ms()  # when a deleted session's device store was removed

    class Meta:
        table = "sessions"
        unique_together = (("tenant", "name"),)
        indexes: ClassVar = [
            Index(fields=("tenant", "id"), name="sessions_tenant"),
            Index(fields=("network", "desired", "state"), name="sessions_wanted"),
        ]


class Message(Model):
    """A message in or out, with the times at which its status changed."""

    id = _id()
    tenant = _ref()
    session = _ref()
    direction = fields.CharField(max_length=3)
    chat = fields.CharField(max_length=JID)
    chat_alt = _jid()
    sender = _jid()
    sender_alt = _jid()
    sender_name = fields.CharField(max_length=255, null=True)
    wa_id = fields.CharField(max_length=JID, null=True)
    type = _word()
    content = fields.TextField()  # JSON of domain.messages.Content
    context = fields.TextField(null=True)  # JSON object
    status = _word()
    time = _ms(null=False)
    accepted_at = _ms(null=False)
    queued_at = _ms()
    sending_at = _ms()
    unknown_at = _ms()
    sent_at = _ms()
    delivered_at = _ms()
    read_at = _ms()
    played_at = _ms()
    ended_at = _ms()
    error_code = fields.CharField(max_length=64, null=True)
    error_detail = fields.TextField(null=True)
    deadline = _ms()
    priority = fields.CharField(max_length=16, null=True)
    send_at = _ms()
    scheduled_at = _ms()
    on_unknown = fields.CharField(max_length=16, null=True)
    ref = fields.TextField(null=True)
    source = fields.CharField(max_length=16)
    proto = fields.BinaryField(null=True)  # waE2E.Message
    text = fields.TextField(null=True)  # its words, folded (see `search`)
    target = fields.CharField(max_length=JID, null=True)  # WhatsApp's id of what it changes
    typing = _ms()  # how long "typing…" is shown before it is sent

    class Meta:
        table = "messages"
        # A re-delivered message is one row. Outbound rows have no sender, so they never collide.
        unique_together = (("session", "wa_id", "chat", "sender"),)
        indexes: ClassVar = [
            Index(fields=("session", "id"), name="messages_session"),
            Index(fields=("session", "chat", "id"), name="messages_chat"),
        ]


class SessionQueue(Model):
    """What must outlive owners of a session's queue: whether it is paused, what was sent on the
    UTC `day`, since when the number is linked, and until when WhatsApp restricts it.
    """

    session = _id()
    tenant = _ref()
    paused_at = _ms()
    linked_at = _ms()
    day = fields.IntField(default=0)
    sent = fields.IntField(default=0)
    first_contacts = fields.IntField(default=0)
    restricted_until = _ms()
    restrictions = fields.IntField(default=0)

    class Meta:
        table = "session_queues"


class Number(Model):
    """Whether a phone number has WhatsApp; `id` is `<tenant>:<digits>`."""

    id = _id()
    tenant = _ref()
    on_whatsapp = fields.BooleanField()
    until = _ms(null=False)

    class Meta:
        table = "numbers"
        indexes: ClassVar = [Index(fields=("until",), name="numbers_age")]


class Chat(Model):
    """A chat of a session, as its list shows it; kept with every message.

    `last_at` is when the last message came or was accepted: the order of the list.
    """

    id = fields.BigIntField(primary_key=True)
    tenant = _ref()
    session = _ref()
    chat = fields.CharField(max_length=JID)
    chat_alt = _jid()
    kind = _word()
    name = fields.CharField(max_length=255, null=True)
    folded = fields.TextField(null=True)  # the name as it is searched for
    last_message = _ref(null=True)
    last_at = _ms(null=False)
    unread = fields.IntField(default=0)
    marked_unread = fields.IntField(default=0)
    archived = fields.IntField(default=0)
    pinned = fields.IntField(default=0)
    muted_until = _ms()
    disappears_after = fields.IntField(null=True)  # seconds
    disappears_set_at = _ms()

    class Meta:
        table = "chats"
        unique_together = (("session", "chat"),)
        indexes: ClassVar = [
            Index(fields=("session", "pinned", "last_at", "chat"), name="chats_list"),
        ]


class Contact(Model):
    """Somebody that a session knows, under one address: the phone number's where it is known."""

    id = fields.BigIntField(primary_key=True)
    tenant = _ref()
    session = _ref()
    contact = fields.CharField(max_length=JID)
    lid = _jid()
    name = fields.CharField(max_length=255, null=True)
    push_name = fields.CharField(max_length=255, null=True)
    business_name = fields.CharField(max_length=255, null=True)
    folded = fields.TextField(null=True)  # the names as they are searched for
    about = fields.TextField(null=True)
    picture_id = _ref(null=True)
    picture_url = fields.TextField(null=True)
    about_at = _ms()
    picture_at = _ms()  # when what is known of the picture was learnt
    saved = fields.IntField(null=True)  # 1: the name is from the phone's address book
    changed_at = _ms(null=False)

    class Meta:
        table = "contacts"
        unique_together = (("session", "contact"),)
        indexes: ClassVar = [Index(fields=("session", "lid"), name="contacts_lid")]


class MessageReceipt(Model):
    """When one of several recipients got and read a message of ours."""

    id = _id()
    tenant = _ref()
    session = _ref()
    wa_id = fields.CharField(max_length=JID)
    recipient = fields.CharField(max_length=JID)
    recipient_alt = _jid()
    delivered_at = _ms()
    read_at = _ms()
    played_at = _ms()

    class Meta:
        table = "message_receipts"
        unique_together = (("session", "wa_id", "recipient"),)


class IdempotencyKey(Model):
    """Which message a key made; `id` is a digest of tenant and key."""

    id = _id()
    tenant = _ref()
    request_hash = fields.CharField(max_length=128)
    message = _ref()
    expires_at = _ms(null=False)

    class Meta:
        table = "idempotency_keys"
        indexes: ClassVar = [Index(fields=("expires_at",), name="idempotency_keys_expiry")]


class EventRow(Model):
    """An archived log entry: its envelope's JSON without the id."""

    id = fields.BigIntField(primary_key=True)
    tenant = _ref()
    cursor = fields.BigIntField()
    session = _ref(null=True)
    type = fields.CharField(max_length=64)
    time = _ms(null=False)
    subject = _ref(null=True)  # the message that it is about
    tail = fields.BinaryField()

    class Meta:
        table = "events"
        unique_together = (("tenant", "cursor"),)
        indexes: ClassVar = [
            Index(fields=("tenant", "session", "cursor"), name="events_session"),
            Index(fields=("subject", "cursor"), name="events_subject"),
        ]


class Log(Model):
    """What the database knows of a tenant's log, so that a lost Redis starts above it."""

    tenant = _id()
    archived = fields.BigIntField(default=0)
    generation = fields.CharField(max_length=32, null=True)  # the live log's, as last seen
    floor = fields.BigIntField(default=0)
    forgotten = fields.BigIntField(null=True)  # the newest cursor that retention deleted

    class Meta:
        table = "logs"


class AuditEntry(Model):
    """Who changed what; `tenant` is empty for the platform's own trail."""

    id = _id()
    tenant = _ref()
    at = _ms(null=False)
    subject = _ref()
    action = _word()
    target = _ref()
    address = fields.CharField(max_length=64)
    details = fields.TextField()  # JSON object

    class Meta:
        table = "audit"
        indexes: ClassVar = [
            Index(fields=("tenant", "id"), name="audit_tenant"),
            Index(fields=("at",), name="audit_age"),
        ]


class Webhook(Model):
    """An endpoint that a tenant's events are delivered to, how far, and by whom.

    `secret`, `old_secret` and `headers` are sealed (see `sealing`). `cursor`: every event up to
    it is delivered, in the backlog, or not wanted; `moves` counts how often a replay has
    set it. `version` changes with whatever a deliverer must know.
    """

    id = _id()
    tenant = _ref()
    name = fields.CharField(max_length=200, null=True)
    url = fields.TextField()
    types = fields.TextField(null=True)  # JSON list; null: all
    sessions = fields.TextField(null=True)  # JSON list; null: all
    headers = fields.TextField(null=True)
    secret = fields.TextField()
    old_secret = fields.TextField(null=True)
    old_secret_until = _ms()
    ordering = _word()
    concurrency = fields.IntField()
    batch = fields.IntField()
    timeout = fields.IntField()  # milliseconds
    state = _word()
    reason = _word()
    detail = fields.TextField(null=True)
    since = _ms(null=False)
    failing_since = _ms()
    cursor = fields.BigIntField()
    version = fields.IntField(default=0)
    moves = fields.IntField(default=0)
    epoch = fields.BigIntField(default=0)
    worker = _ref(null=True)
    created_at = _ms(null=False)

    class Meta:
        table = "webhooks"
        indexes: ClassVar = [
            Index(fields=("tenant", "id"), name="webhooks_tenant"),
            Index(fields=("state", "id"), name="webhooks_state"),
        ]


class WebhookBacklog(Model):
    """An event that could not be delivered at once: to be tried again, or (`dead_at`) given up."""

    id = fields.BigIntField(primary_key=True)
    tenant = _ref()
    webhook = _ref()
    cursor = fields.BigIntField()
    lane = fields.CharField(max_length=256)
    session = _ref(null=True)
    type = fields.CharField(max_length=64)
    envelope = fields.BinaryField()
    attempts = fields.IntField()
    next_at = _ms(null=False)
    first_at = _ms()
    last_at = _ms()
    dead_at = _ms()
    error = fields.TextField(null=True)
    status = fields.IntField(null=True)
    response = fields.TextField(null=True)

    class Meta:
        table = "webhook_backlog"
        unique_together = (("webhook", "cursor"),)
        indexes: ClassVar = [
            Index(fields=("webhook", "dead_at", "cursor"), name="webhook_backlog_next"),
        ]


class WebhookDelivery(Model):
    """One request to an endpoint and what came of it; kept for some days."""

    id = _id()
    tenant = _ref()
    webhook = _ref()
    event = fields.CharField(max_length=64)
    type = fields.CharField(max_length=64)
    events = fields.IntField()
    attempt = fields.IntField()
    at = _ms(null=False)
    duration = fields.IntField()  # milliseconds
    delivered = fields.BooleanField()
    status = fields.IntField(null=True)
    error = fields.TextField(null=True)
    response = fields.TextField(null=True)

    class Meta:
        table = "webhook_deliveries"
        indexes: ClassVar = [
            Index(fields=("webhook", "id"), name="webhook_deliveries_webhook"),
            Index(fields=("at",), name="webhook_deliveries_age"),
        ]


class Media(Model):
    """A file of a tenant: kept once per tenant and hash, a row per session that has it.

    `session` is "" for uploads. `original` and `made_as`: it was made of that media, to be sent
    as that kind.
    """

    id = _id()
    tenant = _ref()
    session = _ref()
    sha256 = fields.CharField(max_length=64)
    size = fields.BigIntField()
    mimetype = fields.CharField(max_length=255)
    filename = fields.TextField(null=True)
    facts = fields.TextField()  # JSON of domain.media.Facts
    original = _ref(null=True)
    made_as = fields.CharField(max_length=32, null=True)
    created_at = _ms(null=False)
    used_at = _ms(null=False)

    class Meta:
        table = "media"
        unique_together = (("tenant", "sha256", "session"),)
        indexes: ClassVar = [
            Index(fields=("tenant", "used_at"), name="media_age"),
            Index(fields=("original", "made_as"), name="media_made"),
            Index(fields=("session",), name="media_session"),
        ]
