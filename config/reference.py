"""Writes the settings reference from the code: `python -m config.reference > docs/settings.md`."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from config.environment import Setting, listed
from config.settings import Network, Settings

_HEAD = """# Settings

Generated from the code by `make docs`; a test compares the two.

Settings are environment variables. A wrong or unknown one stops the start with a sentence that
names it. Those marked *secret* can also come from a file: add `_FILE` to the name.
"""


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if parts:
        return _type(parts[0])
    names: dict[Any, str] = {
        bool: "true/false",
        int: "whole number",
        float: "number",
        str: "text",
        SecretStr: "text, *secret*",
    }
    return names.get(annotation, "path")


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {field.description} |"


def _table(rows: list[str]) -> str:
    return "\n".join(["| setting | type | default | meaning |", "|---|---|---|---|", *rows])


def _group_name(setting: Setting) -> str:
    return setting.path[0] if len(setting.path) > 1 else ""


def markdown() -> str:
    """The whole reference."""
    parts = [_HEAD]
    for group, settings in groupby(listed(Settings), _group_name):
        title: Any = Settings.model_fields[group].annotation if group else None
        heading = f"{group.capitalize()}: {title.__doc__.splitlines()[0]}" if group else "General"
        parts += [f"## {heading}\n", _table([_row(s.name, s.field) for s in settings]), ""]
    rows = [
        _row(f"WA_NETWORKS__<NAME>__{name.upper()}", field)
        for name, field in Network.model_fields.items()
    ]
    parts += ["## Networks: where sessions connect to, by name\n", _table(rows), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(markdown())
