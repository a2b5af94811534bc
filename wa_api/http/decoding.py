"""Bodies and query parameters: decoded and checked at the edge, refused with the field's name."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
import orjson

from wa_api.domain.errors import BadRequest, BodyTooLarge, InvalidBody, UnsupportedMediaType
from wa_api.http.types import Request

T = TypeVar("T")

_AT = re.compile(r" - at `\$\.?(.*)`$")
_JSON = "application/json"


class MalformedJson(BadRequest):
    """That is not valid JSON."""

    code = "malformed_json"


class InvalidQuery(BadRequest):
    """A query parameter is unknown or has a wrong value."""

    code = "invalid_query"


def invalid(error: msgspec.ValidationError) -> InvalidBody:
    """What was wrong with which field; never a value from the request."""
    field, detail = _explained(error)
    place = f"`{field}`: " if field else ""
    return InvalidBody(f"{place}{detail}", errors=[{"field": field, "detail": detail}])


def _explained(error: msgspec.ValidationError) -> tuple[str, str]:
    text = str(error)
    found = _AT.search(text)
    return (found[1], text[: found.start()]) if found else ("", text)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(k) or _holds_nul(v) for k, v in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


def decode_json(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode and check; raises MalformedJson or InvalidBody.

    NUL is refused everywhere: no database column and no WhatsApp client takes it.
    """
    try:
        if rb"\u0000" in data and _holds_nul(orjson.loads(data)):
            raise InvalidBody("Strings must not hold the character U+0000.")
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, orjson.JSONDecodeError, RecursionError):
        raise MalformedJson from None


def read_body(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The request's body; raises UnsupportedMediaType and BodyTooLarge too."""
    kind = request.headers.get("content-type", "")
    if kind != _JSON and kind.partition(";")[0].strip().lower() != _JSON:
        raise UnsupportedMediaType("Send the body as `Content-Type: application/json`.")
    if len(request.body) > request.app.ctx.options.max_body_bytes:
        raise BodyTooLarge
    return decode_json(request.body, decoder)


def read_query(request: Request, kind: type[T]) -> T:
    """The query string as a Struct; a repeated parameter is an error, as is an unknown one."""
    given: dict[str, Any] = {}
    for name, value in request.get_query_args(keep_blank_values=True):
        if name in given:
            raise InvalidQuery(f"`{name}`: given more than once.")
        given[name] = value
    given.pop("access_token", None)
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        field, detail = _explained(error)
        raise InvalidQuery(
            f"`{field}`: {detail}" if field else detail,
            errors=[{"field": field, "detail": detail}],
        ) from None
