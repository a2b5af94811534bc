"""What the person who started the gateway reads."""

from __future__ import annotations

from dataclasses import dataclass

import wa_api


@dataclass(frozen=True, slots=True)
class Ready:
    """The gateway serves. `first_token` only while there is no administrator."""

    url: str
    first_token: str | None
    seconds: float


def banner(ready: Ready) -> str:
    """Address, documentation, and the first administrator's way in."""
    lines = [
        "",
        f"  wa-api {wa_api.__version__} serves (ready after {ready.seconds:.1f} s)",
        "",
        f"  console        {ready.url}/",
        f"  API            {ready.url}/v1",
        f"  try it out     {ready.url}/docs",
    ]
    if ready.first_token:
        # After the hash: a browser does not send it, so it is in no log.
        lines += [
            f"  start here     {ready.url}/#one-time={ready.first_token}",
            f"  administrator  {ready.first_token}",
            '                 (once: POST /v1/auth/token {"grant_type": "one_time", "token": "…"})',
        ]
    return "\n".join([*lines, "", "  Ctrl+C stops everything.", ""])
