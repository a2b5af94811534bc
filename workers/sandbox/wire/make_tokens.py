"""Writes tokens.json from a client's table: `python -m workers.sandbox.wire.make_tokens FILE`.

FILE is Go source with two composite literals, `SingleByteTokens` (a list of strings whose index
is the token) and `DoubleByteTokens` (four such lists).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import orjson

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def _strings(text: str) -> list[str]:
    return [str(orjson.loads(found)) for found in _STRING.findall(text)]


def parse(source: str) -> tuple[list[str], list[list[str]]]:
    """The single-byte tokens and the four double-byte dictionaries of a client's table."""
    single = source[source.index("SingleByteTokens") :]
    single = single[: single.index("}\n")]
    double = source[source.index("DoubleByteTokens") :]
    rows = [line for line in double.splitlines() if line.startswith("\t\t{")][:4]
    return _strings(single), [_strings(row) for row in rows]


def main() -> None:
    """Writes tokens.json beside this file."""
    single, double = parse(Path(sys.argv[1]).read_text())
    target = Path(__file__).with_name("tokens.json")
    target.write_bytes(orjson.dumps({"single": single, "double": double}))


if __name__ == "__main__":
    main()
