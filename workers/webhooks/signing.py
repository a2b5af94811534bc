"""Signatures by the Standard Webhooks specification (https://www.standardwebhooks.com)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook


class Signer:
    """Signs with every valid secret, so that a receiver may hold the old or the new one."""

    def __init__(self, secrets: Sequence[tuple[str, float | None]]) -> None:
        """`secrets`: `whsec_…`, and until when (Unix seconds; None: for ever)."""
        self._keys = [(Webhook(secret), until) for secret, until in secrets]

    def headers(self, event: str, body: bytes, now: float) -> dict[str, str]:
        """The headers that prove who sent `body`, under the id `event`, at `now`."""
        at, text = datetime.fromtimestamp(int(now), UTC), body.decode()
        signatures = [
            key.sign(event, at, text) for key, until in self._keys if until is None or now < until
        ]
        return {
            "webhook-id": event,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": " ".join(signatures),
        }
