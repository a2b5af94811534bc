"""The API document."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from wa_api.domain.content import Image
from wa_api.domain.messages import Address, MessageView, Status, view
from wa_api.http.openapi import document
from wa_api.http.resources import resources_for
from wa_api.http.routes import Access, Operation
from wa_api.http.types import HttpOptions

RESOURCES = resources_for(HttpOptions(sandbox=True))
OPERATIONS = [operation for one in RESOURCES for operation in one.operations]


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The document."""
    return document(RESOURCES)


def test_a_message_is_as_it_is_described(made: dict[str, Any]) -> None:
    """Its content stands under its type's name, without a `type` of its own."""
    schema = Draft202012Validator({**made, "$ref": "#/components/schemas/Message"})
    message = MessageView(
        id="msg_1",
        session="ses_1",
        direction="in",
        chat=Address(id="5511999990000@s.whatsapp.net"),
        type="image",
        content=msgspec.to_builtins(Image(caption="Sea")),
        time="2026-01-01T00:00:00.000Z",
        status=Status.RECEIVED,
    )
    assert [error.message for error in schema.iter_errors(view(message))] == []
    assert list(schema.iter_errors({**view(message), "image": {"caption": 5}}))


def test_it_is_valid_openapi(made: dict[str, Any]) -> None:
    """The validator of the OpenAPI initiative's schema finds nothing."""
    assert [error.message for error in OpenAPIV31SpecValidator(made).iter_errors()] == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_every_operation_is_described(made: dict[str, Any], operation: Operation) -> None:
    """It has a summary, its scope, and every error it may answer."""
    shown = made["paths"][operation.template][operation.method.lower()]
    assert shown["summary"]
    assert not shown["summary"].endswith(".")
    assert str(operation.status) in shown["responses"]
    for error in operation.errors:
        assert f"`{error.code}`" in shown["responses"][str(error.status)]["description"]
    if operation.access is Access.PUBLIC:
        assert shown["security"] == []
    else:
        assert shown["security"]
        assert "`unauthorized`" in shown["responses"]["401"]["description"]


def test_ids_are_unique_and_paths_are_kebab_case() -> None:
    """Client generators need both."""
    ids = [operation.id for operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    for operation in OPERATIONS:
        for part in re.split("[/.]", re.sub("{.*?}", "", operation.template)):
            assert re.fullmatch(r"[a-z0-9-]*", part), operation.path


def test_without_a_sandbox_its_routes_do_not_exist() -> None:
    """They are neither served nor documented."""
    paths = document(resources_for(HttpOptions(sandbox=False)))["paths"]
    assert not [path for path in paths if "sandbox" in path]
