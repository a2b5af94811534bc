"""From environment variables to nested settings, and from errors back to variable names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

PREFIX = "WA_"

#: For the test suite (where to find PostgreSQL and Redis), not for the gateway.
_FOREIGN = ("WA_TEST_",)


class WrongSetting(Exception):
    """A setting is missing, unknown or wrong; the text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its variable, where it goes in the model, and its declaration."""

    name: str
    path: tuple[str, ...]
    field: FieldInfo

    @property
    def secret(self) -> bool:
        """Whether the value must never be shown."""
        return _mentions(self.field.annotation, SecretStr)


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(part, wanted) for part in get_args(annotation))


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def listed(model: type[BaseModel]) -> Iterator[Setting]:
    """Every setting of the model, in order; networks are open-ended and not among them."""
    for name, field in model.model_fields.items():
        if _is_group(field.annotation):
            group: Any = field.annotation
            for inner, declared in group.model_fields.items():
                yield Setting(f"{PREFIX}{name}_{inner}".upper(), (name, inner), declared)
        elif name != "networks":
            yield Setting(f"{PREFIX}{name}".upper(), (name,), field)


def read(model: type[BaseModel], environ: Mapping[str, str]) -> dict[str, Any]:
    """The nested values that the environment sets; an empty variable counts as unset."""
    known = {setting.name: setting for setting in listed(model)}
    values: dict[str, Any] = {}
    for variable, value in environ.items():
        name = variable.upper()
        if not name.startswith(PREFIX) or name.startswith(_FOREIGN) or not value.strip():
            continue
        if name.startswith(f"{PREFIX}NETWORKS__"):
            _put(values, _network_path(name), value)
        elif name in known:
            _put(values, known[name].path, value)
        elif _is_secret_file(name, known):
            _put(values, known[name.removesuffix("_FILE")].path, _content(name, value))
        else:
            raise WrongSetting(_unknown(name, known))
    return values


def _put(values: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    for step in path[:-1]:
        values = values.setdefault(step, {})
    values[path[-1]] = value.strip()


def _network_path(name: str) -> tuple[str, ...]:
    parts = name.lower().removeprefix("wa_networks__").split("__")
    if len(parts) != 2 or not all(parts):
        raise WrongSetting(f"{name}: write it as WA_NETWORKS__<NAME>__<FIELD>.")
    return ("networks", *parts)


def _is_secret_file(name: str, known: Mapping[str, Setting]) -> bool:
    setting = known.get(name.removesuffix("_FILE"))
    return name.endswith("_FILE") and setting is not None and setting.secret


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        raise WrongSetting(f"{name}: the file cannot be read.") from None


def _unknown(name: str, known: Mapping[str, Setting]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else "; `wa-api settings` lists all."
    return f"{name}: there is no such setting{hint}"


def sentence(error: ValidationError) -> str:
    """The first thing wrong, as one sentence; never repeats the value, it may be a secret."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    steps = [str(step) for step in first["loc"]]
    text = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if steps[:1] == ["networks"]:
        name = "WA_" + "__".join(steps[:3]).upper()
    else:
        name = "WA_" + "_".join(steps[:2]).upper()
    return f"{name}: {text}."
