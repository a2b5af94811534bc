"""The shape of a table of control methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Handler = Callable[[Any], Awaitable[Any]]
#: Method name -> the type of its parameters, and what does it.
Table = dict[str, tuple[type, Handler]]
