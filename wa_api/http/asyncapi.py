"""The AsyncAPI 3 document of the WebSocket, made from the frames, commands and events in the code."""

from __future__ import annotations

from typing import Any

import msgspec

from wa_api import __version__
from wa_api.domain.events import BY_TYPE, Data, MessageAccepted, MessageReceived, MessageSynced
from wa_api.http import resources  # noqa: F401 - declares the routes that are commands too
from wa_api.http.answers import EventEnvelope, Message
from wa_api.http.bodies import FeedQuery
from wa_api.http.feed import frames
from wa_api.http.feed.closes import TABLE
from wa_api.http.feed.commands import every_command
from wa_api.http.feed.link import SUBPROTOCOL
from wa_api.http.openapi import as_json

_SCHEMA = "#/components/schemas/{name}"
_FROM_SERVER = (
    frames.Hello, frames.Reply, frames.Failure, frames.Notice, frames.Gap, frames.PingFrame,
    frames.PongFrame,
)  # fmt: skip
_FROM_CLIENT = (
    frames.SubscribeFrame, frames.ResumeFrame, frames.AuthFrame, frames.PingFrame,
    frames.PongFrame,
)  # fmt: skip
#: What the server answers a client's frame with.
_ANSWERED = {
    frames.SubscribeFrame: "reply", frames.ResumeFrame: "reply", frames.AuthFrame: "reply",
    frames.PingFrame: "pong",
}  # fmt: skip
#: These say `{"message": …}` as REST shows a message.
_WITH_MESSAGE = (MessageAccepted, MessageReceived, MessageSynced)


def document() -> dict[str, Any]:
    """One channel: the WebSocket, with every frame both ways."""
    made = _Messages()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "wa-api: the WebSocket",
            "version": __version__,
            "description": "JSON text frames. Each event of the tenant comes once, in order, under "
            "a cursor that a client resumes from; commands get exactly one reply.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "{host}",
                "protocol": "wss",
                "variables": {"host": {"default": "gateway.example"}},
                "security": [{"$ref": f"#/components/securitySchemes/{n}"} for n in _SECURITY],
            }
        },
        "channels": {"feed": _channel(made)},
        "operations": made.operations(),
        "components": {
            "messages": made.messages,
            "schemas": made.schemas,
            "securitySchemes": _SECURITY,
        },
    }


_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token (JWT) or an API key; browsers pass it as the subprotocol "
        f"`bearer.<token>` beside `{SUBPROTOCOL}`.",
    },
    "query": {"type": "httpApiKey", "in": "query", "name": "access_token"},
    "header": {"type": "httpApiKey", "in": "header", "name": "X-Api-Key"},
}


def _channel(made: _Messages) -> dict[str, Any]:
    query = made.schemas[FeedQuery.__name__]
    return {
        "address": "/v1/ws",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in made.messages},
        "bindings": {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}},
        "x-close-codes": [
            {"code": one.code, "reason": one.reason, "then": one.then} for one in TABLE
        ],
    }


class _Messages:
    """Every frame as a message, and the schemas that they refer to."""

    def __init__(self) -> None:
        self._kinds = every_command()
        bodies = [kind.body for kind in self._kinds.values()]
        # In a dict: a type may be named twice, a schema must not.
        kinds = dict.fromkeys(
            [*_FROM_SERVER, *_FROM_CLIENT, *bodies, *BY_TYPE.values(), EventEnvelope, Message,
             frames.CommandFrame, FeedQuery]
        )  # fmt: skip
        found, schemas = msgspec.json.schema_components(kinds, ref_template=_SCHEMA)
        self.schemas: dict[str, Any] = _discriminated(as_json(schemas))
        self._of = dict(zip(kinds, found, strict=True))
        self.messages: dict[str, dict[str, Any]] = {}
        self._from_server = [self._add(_tag(kind), kind) for kind in _FROM_SERVER]
        self._events = [self._add_event(kind) for kind in BY_TYPE.values()]
        self._from_client = {self._add(_tag(kind), kind): kind for kind in _FROM_CLIENT}
        self._commands = [self._add_command(name, kind.body) for name, kind in self._kinds.items()]

    def _add(self, name: str, kind: type[msgspec.Struct]) -> str:
        self.messages[name] = {"summary": _summary(kind), "payload": self._of[kind]}
        return name

    def _add_event(self, kind: type[Data]) -> str:
        name = f"event.{kind.type}"
        envelope = self._schema(EventEnvelope)
        data = self._of[kind]
        if kind in _WITH_MESSAGE:
            data = _object({"message": self._of[Message]}, ["message"])
        facts = envelope["properties"] | {"type": {"const": kind.type}, "data": data}
        payload = {"type": {"const": "event"}, "event": _object(facts, envelope["required"])}
        self.messages[name] = {
            "summary": _summary(kind),
            "payload": _object(payload, ["type", "event"]),
        }
        return name

    def _add_command(self, name: str, body: type[msgspec.Struct]) -> str:
        frame = self._schema(frames.CommandFrame)
        facts = {"command": {"const": name}, "data": self._of[body]}
        required = ["type", "command", "session"]
        if self._schema(body).get("required"):
            required.append("data")
        self.messages[f"command.{name}"] = {
            "summary": f"{self._kinds[name].about} Scope: `{self._kinds[name].scope}`.",
            "payload": _object(frame["properties"] | facts, required),
        }
        return f"command.{name}"

    def _schema(self, kind: type) -> dict[str, Any]:
        """What the reference to a Struct's schema leads to."""
        name = self._of[kind]["$ref"].rpartition("/")[2]
        found: dict[str, Any] = self.schemas[name]
        return found

    def operations(self) -> dict[str, Any]:
        """Who sends what, from the server's point of view."""
        made = {
            "tell": _operation("send", "What the server says.", self._from_server),
            "report": _operation("send", "Events as they happen.", self._events),
            "command": _operation(
                "receive", "Ask something of a session.", self._commands, "reply"
            ),
        }
        for name, kind in self._from_client.items():
            made[name] = _operation("receive", _summary(kind), [name], _ANSWERED.get(kind))
        return made


def _operation(
    action: str, summary: str, names: list[str], answer: str | None = None
) -> dict[str, Any]:
    channel = {"$ref": "#/channels/feed"}
    made: dict[str, Any] = {
        "action": action,
        "channel": channel,
        "summary": summary,
        "messages": [_message(name) for name in names],
    }
    if answer is not None:
        made["reply"] = {"channel": channel, "messages": [_message(answer)]}
    return made


def _message(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/feed/messages/{name}"}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _discriminated(schema: Any) -> Any:
    """OpenAPI's discriminators as AsyncAPI wants them: only the property's name."""
    if isinstance(schema, list):
        return [_discriminated(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _discriminated(part) for name, part in schema.items()}
    if isinstance(found := made.get("discriminator"), dict) and "mapping" in found:
        made["discriminator"] = found["propertyName"]
    return made


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def _summary(kind: type) -> str:
    """The first paragraph of a docstring."""
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
