"""The rows of docs/features.md: what gateways of this kind can do, by section.

A row names its columns; a column without a test needs a reason (`why`: for the whole row, or by
column). When a test proves a column, its reason must go. See `tests.features` for how tests say
what they prove.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

COLUMNS = ("sent", "received", "rest", "websocket")
BOTH = "sent received rest websocket"
SENT = "sent rest websocket"
API = "rest websocket"
REST = "rest"
WORKS = "works"  #: shown in the last column only

LATER = "Not built yet."
ENGINE = "The engine (neonize) offers no way to do it."
APP_STATE = (
    "The engine (neonize) loses the part of the phone's app state that it belongs to: "
    "[decision 11](decisions/0011-no-changes-of-app-state.md)."
)


@dataclass(frozen=True, slots=True)
class Row:
    """A feature; `columns` are those of COLUMNS that mean something for it."""

    name: str
    columns: str = BOTH
    why: str | Mapping[str, str] = field(default_factory=dict)

    def reason(self, column: str) -> str | None:
        """Why no test proves a column."""
        return self.why if isinstance(self.why, str) else self.why.get(column)


SECTIONS: dict[str, list[Row]] = {
    "Session lifecycle": [
        Row("QR (image, base64, raw)", API),
        Row("Pairing code", API),
        Row("Passkey (WebAuthn) pairing", API, ENGINE),
        Row("Restart, stop, logout, delete", REST),
        Row("Auto-reconnect", WORKS),
        Row("Restore at boot", WORKS),
        Row("Proxy per session", REST),
        Row("Device name", REST, "One per process: the engine merges it over all sessions."),
        Row("Session metadata echoed in events", API),
        Row("Ignore filters (groups, status, channels)", REST),
        Row("Account restriction state (463)", API),
        Row("Screenshot", REST, "There is no screen: the gateway runs no browser."),
        Row("Export, import session", REST, "Keys never leave the database."),
    ],
    "Sending": [
        Row("Text", BOTH),
        Row("Reply", BOTH),
        Row("Mentions", BOTH),
        Row("Mention all", BOTH),
        Row("Link preview (given)", BOTH),
        Row("Link preview (fetched)", SENT),
        Row("Image", BOTH),
        Row("Video", BOTH),
        Row("Document", BOTH),
        Row("GIF", BOTH),
        Row("Video note", BOTH),
        Row("Audio", BOTH),
        Row("Voice note with conversion", BOTH),
        Row("Sticker", BOTH),
        Row("Location", BOTH),
        Row("Live location", "received rest websocket"),
        Row("Contact", BOTH),
        Row("Poll", BOTH),
        Row("Poll vote", BOTH),
        Row("Event message", BOTH),
        Row("List", BOTH),
        Row("Buttons", BOTH),
        Row("Reaction", BOTH),
        Row("Edit", BOTH),
        Row("Revoke", BOTH),
        Row("Forward", BOTH),
        Row("View once", BOTH),
        Row("Status post", BOTH),
        Row("Status post with media, to contacts", BOTH),
        Row("Album", BOTH),
        Row("Disappearing messages", BOTH),
        Row("Disappearing messages: setting of a chat", BOTH),
        Row("Pin message", BOTH),
        Row("Star message", SENT, APP_STATE),
        Row("Typing, recording", BOTH),
        Row("Typing simulated before a send", SENT),
        Row("Scheduled sends", SENT),
        Row("Bulk, queue, pacing", SENT),
        Row(
            "Caller-chosen message id",
            SENT,
            "The engine takes none; `ref` and idempotency keys stand in.",
        ),
        Row("Idempotency key", API),
    ],
    "Receiving, chats, contacts, groups, profile": [
        Row("Message store", REST),
        Row("Initial history", API),
        Row("On-demand history", API, ENGINE),
        Row("Chat list and pages for user interfaces", API),
        Row("Chat list: names of groups", API),
        Row("Chat list: names of people", API),
        Row("Full-text search", API),
        Row("Media: download, S3, retention", API),
        Row("Media re-upload request", API, ENGINE),
        Row("Poll votes decrypted", "received rest websocket"),
        Row("Raw protobuf", REST),
        Row("Undecryptable messages", "received rest websocket"),
        Row("Receipts", BOTH),
        Row("Receipts per recipient in groups", "received rest"),
        Row("Presence", "received"),
        Row("Calls: event, reject", API),
        Row("Calls: place", API, ENGINE),
        Row("Archive, mark unread (local)", API),
        Row("Delete, clear chat on the phone", API, APP_STATE),
        Row("Number check", API),
        Row("Contact list, picture, about", API),
        Row("Save contact to phone", API, APP_STATE),
        Row("Block", API),
        Row("LID and phone lookup", API),
        Row("Labels", API, APP_STATE),
        Row("Groups: create, participants, name, description, photo, invite, settings", API),
        Row("Groups: invitations to people who cannot be added", BOTH),
        Row("Groups: list join requests", API),
        Row("Groups: approve join requests, approval mode", API, ENGINE),
        Row("Communities", API),
        Row("Channels", API),
        Row("Channels: media", SENT, ENGINE),
        Row("Profile name, about, photo", API),
        Row("Pictures of profile, groups, channels by media id", API),
        Row("Privacy settings", API),
        Row("Business catalogue, orders", API, ENGINE),
    ],
    "Events out, integration, access, operation": [
        Row("Webhooks per tenant, many", REST),
        Row("Event filter", API),
        Row("Webhook signature (HMAC)", REST),
        Row("Webhook retries", REST),
        Row("Survives restart, dead letters, replay", REST),
        Row("Custom headers", REST),
        Row("Event id and order", API),
        Row("WebSocket", "websocket"),
        Row("WebSocket commands, replay from a cursor", "websocket"),
        Row("Server-sent events", REST),
        Row("RabbitMQ, NATS, Kafka, SQS", REST, "Webhooks, SSE and WebSocket only."),
        Row("Chatwoot", REST, "By webhook and REST; there is no connector."),
        Row("Typebot, n8n, Dify, OpenAI, Flowise", REST, "By webhook and REST; no connectors."),
        Row("MCP", REST, "By REST; there is no MCP server."),
        Row("Cloud-API-shaped messages", REST),
        Row("API keys with scopes", API),
        Row("JWT, roles, tenants", API),
        Row("API rate limits, IP allow-list", API),
        Row("Prometheus", REST),
        Row("Health, JSON logs", REST),
        Row("OpenAPI, dashboard", REST),
        Row("Docker, compose", WORKS),
        Row("Horizontal scale, failover", API),
        Row("Encryption at rest of session keys", WORKS, "Disk encryption is the operator's."),
        Row("Audit log", REST),
        Row("Sandbox without phones", REST),
        Row("SDKs", WORKS, "Any OpenAPI generator makes one of `/openapi.json`."),
    ],
}
