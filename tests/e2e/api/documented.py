"""Whether what arrives is what /asyncapi.json says."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator

from wa_api.http.asyncapi import document

_DOCUMENT = orjson.loads(orjson.dumps(document()))


@cache
def _validator(message: str) -> Draft202012Validator:
    payload = {"$ref": f"#/components/messages/{message}/payload"}
    return Draft202012Validator({"components": _DOCUMENT["components"], **payload})


def check(frame: dict[str, Any]) -> None:
    """Raise AssertionError unless a frame of the server is as documented."""
    name = frame["type"]
    if name == "event":
        name = f"event.{frame['event']['type']}"
    errors = [error.message for error in _validator(name).iter_errors(frame)]
    assert errors == [], (frame, errors)
