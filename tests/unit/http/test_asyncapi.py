"""The WebSocket's document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft7Validator

from wa_api.domain.events import BY_TYPE
from wa_api.http.asyncapi import document
from wa_api.http.feed.closes import TABLE
from wa_api.http.feed.commands import every_command
from wa_api.http.feed.frames import ClientFrame, ServerFrame

_SPECIFICATION = Path(__file__).with_name("asyncapi-3.0.0.json")


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The document as it is served."""
    served: dict[str, Any] = orjson.loads(orjson.dumps(document()))
    return served


def test_it_is_valid_asyncapi(made: dict[str, Any]) -> None:
    """The initiative's own schema of version 3.0.0 finds nothing."""
    schema = orjson.loads(_SPECIFICATION.read_bytes())
    found = Draft7Validator(schema).iter_errors(made)
    assert [f"{list(error.path)}: {error.message[:300]}" for error in found] == []


def _references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for one in part for found in _references(one)]
    if not isinstance(part, dict):
        return []
    here = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return here + [found for one in part.values() for found in _references(one)]


def test_every_reference_leads_somewhere(made: dict[str, Any]) -> None:
    """Nothing is named that is not there."""
    for reference in _references(made):
        place: Any = made
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place, reference


def test_every_frame_command_event_and_close_code_is_in_it(made: dict[str, Any]) -> None:
    """What the code knows is what the document says."""
    messages = set(made["channels"]["feed"]["messages"])
    tags = {kind.__struct_config__.tag for kind in (*ClientFrame.__args__, *ServerFrame.__args__)}
    assert messages == (
        (tags - {"command", "event"})
        | {f"command.{name}" for name in every_command()}
        | {f"event.{name}" for name in BY_TYPE}
    )
    codes = [one["code"] for one in made["channels"]["feed"]["x-close-codes"]]
    assert codes == [close.code for close in TABLE]
    assert all(one["summary"] for one in made["components"]["messages"].values())


@pytest.mark.parametrize("name", every_command())
def test_a_commands_data_is_its_bodys(made: dict[str, Any], name: str) -> None:
    """It is described, and no two commands share a schema by accident."""
    assert every_command()[name].about
    payload = made["components"]["messages"][f"command.{name}"]["payload"]
    schema = payload["properties"]["data"]["$ref"].rpartition("/")[2]
    shown = made["components"]["schemas"][schema]["properties"]
    assert set(shown) == set(every_command()[name].body.__struct_encode_fields__)
