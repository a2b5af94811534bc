"""Logs: one line per event on standard error; JSON for machines, colour for people.

A line has a stable event name and fields: `log.info("session.claimed", session=…, epoch=…)`.
Secrets and message texts are never passed to it; names that could hold one are masked anyway.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

_MASKED = frozenset(
    {
        "access_token",
        "api_key",
        "authorization",
        "body",
        "content",
        "password",
        "qr",
        "refresh_token",
        "secret",
        "text",
        "token",
    }
)


def _mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in _MASKED & event.keys():
        event[name] = "***"
    return event


def _plain(value: Any) -> str:
    return f"<{type(value).__name__}>"


def _to_json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def configure(level: str = "info", format: str = "auto", **bound: str) -> None:
    """Set up structlog and the standard library's logging alike; `bound` is on every line.

    `format` is `json`, `human`, or `auto` (human on a terminal).
    """
    human = format == "human" or (format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask,
    ]
    final: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if human
        else [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ]
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**bound)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.INFO), force=True)
    logging.captureWarnings(True)
