"""The OpenAPI 3.1 document, made from the same declarations that check the requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from wa_api import __version__
from wa_api.domain.content import Content
from wa_api.domain.errors import (
    AddressNotAllowed,
    BodyTooLarge,
    Forbidden,
    InvalidBody,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
    WaError,
)
from wa_api.domain.principals import Scope
from wa_api.http.answers import ProblemDocument
from wa_api.http.decoding import InvalidQuery, MalformedJson
from wa_api.http.problems import title_of
from wa_api.http.routes import Access, Operation, Resource

_REF = "#/components/schemas/{name}"
_BODY_ERRORS = (MalformedJson, InvalidBody, UnsupportedMediaType, BodyTooLarge)


def document(resources: Iterable[Resource]) -> dict[str, Any]:
    """All operations of the resources."""
    resources = list(resources)
    operations = [operation for resource in resources for operation in resource.operations]
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.template, {})[operation.method.lower()] = _operation(
            operation, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wa-api",
            "version": __version__,
            "summary": "A WhatsApp gateway that any number of processes share.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": one.name, "description": one.about} for one in resources],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token (JWT) or an API key.",
                },
                "api_key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


class _Schemas:
    """JSON Schemas of all types that operations name."""

    def __init__(self, operations: list[Operation]) -> None:
        self._types: list[Any] = [ProblemDocument]
        for operation in operations:
            for kind in (operation.body, operation.query, operation.returns):
                if kind is not None and kind not in self._types:
                    self._types.append(kind)
        self._schemas, components = msgspec.json.schema_components(self._types, ref_template=_REF)
        self.components: dict[str, Any] = as_json(components)

    def of(self, kind: Any) -> dict[str, Any]:
        """The (referring) schema of a type."""
        return self._schemas[self._types.index(kind)]

    def fields(self, kind: Any) -> tuple[dict[str, Any], list[str]]:
        """Properties of a Struct, and which are required."""
        schema = self.components[self.of(kind)["$ref"].rpartition("/")[2]]
        return schema.get("properties", {}), schema.get("required", [])


def as_json(schemas: Any) -> Any:
    """Schemas by name as they are written: defaults may be tuples, which JSON does not know.

    Content is described as messages show it: under its type's name, and so without `type`.
    """
    made = msgspec.json.decode(msgspec.json.encode(schemas))
    for schema in made.values():
        if (schema.get("title"), schema.get("properties", {}).get("type")) in _CONTENT:
            del schema["properties"]["type"]
            schema["required"].remove("type")
    return made


#: The titles and `type` properties of content's schemas.
_CONTENT = [(kind.__name__, {"enum": [kind.__struct_config__.tag]}) for kind in get_args(Content)]


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": _security(operation),
        "parameters": _parameters(operation, schemas),
        "responses": _responses(operation, schemas),
    }
    text = operation.description
    if isinstance(operation.access, Scope):
        text = f"{text}\n\nScope: `{operation.access}`.".strip()
        made["x-scope"] = str(operation.access)
    if operation.command:
        text = f"{text}\n\nWebSocket command: `{operation.command}`.".strip()
        made["x-command"] = operation.command
    if text:
        made["description"] = text
    if operation.body is not None:
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas.of(operation.body)}},
        }
    elif operation.takes:
        file = {"schema": {"type": "string", "format": "binary"}}
        made["requestBody"] = {
            "required": True,
            "content": {kind: _form if "form" in kind else file for kind in operation.takes},
        }
    return made


_form = {
    "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
}


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    return [] if operation.access is Access.PUBLIC else [{"bearer": []}, {"api_key": []}]


def _parameters(operation: Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in operation.parameters
    ]
    if operation.query is not None:
        properties, required = schemas.fields(operation.query)
        for name, schema in properties.items():
            about = {"name": name, "in": "query", "schema": schema, "required": name in required}
            found.append(about)
    found += [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        for name, text in operation.headers.items()
    ]
    return found


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {str(operation.status): _success(operation, schemas)}
    if operation.id == "messages.send":
        responses["200"] = _success(operation, schemas, "The result is known.")
    by_status: dict[int, list[type[WaError]]] = {}
    for error in _errors(operation):
        by_status.setdefault(error.status, []).append(error)
    for status, errors in sorted(by_status.items()):
        lines = [f"`{error.code}`: {title_of(error)}" for error in errors]
        responses[str(status)] = _problem("\n\n".join(lines), schemas)
    responses["default"] = _problem("Any other problem.", schemas)
    return responses


def _errors(operation: Operation) -> list[type[WaError]]:
    errors = list(operation.errors)
    if operation.access is not Access.PUBLIC:
        errors += [Unauthorized, Forbidden, AddressNotAllowed, TooManyRequests]
    if operation.body is not None:
        errors += _BODY_ERRORS
    if operation.query is not None:
        errors.append(InvalidQuery)
    if operation.path.startswith("/v1"):
        errors.append(Unavailable)
    return list(dict.fromkeys(errors))


def _success(operation: Operation, schemas: _Schemas, text: str = "") -> dict[str, Any]:
    about: dict[str, Any] = {"description": text or operation.summary + "."}
    if operation.returns is not None:
        about["content"] = {"application/json": {"schema": schemas.of(operation.returns)}}
    for kind in operation.produces if operation.status == 200 else ():
        if kind != "application/json":
            about.setdefault("content", {})[kind] = {"schema": {"type": "string"}}
    return about


def _problem(text: str, schemas: _Schemas) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": schemas.of(ProblemDocument)}}
    return {"description": text, "content": content}
