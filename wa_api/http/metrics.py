"""What one HTTP process counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """Counters and gauges of one application; each has its own registry."""

    def __init__(self) -> None:
        """Set every figure to nought."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "wa_http_requests",
            "Answered requests by operation and status.",
            ["operation", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "wa_http_request_seconds",
            "Time from a request's last byte to its answer, for those that succeeded.",
            ["operation"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.readers = Gauge(
            "wa_feed_readers", "Open feed connections.", ["kind"], registry=self.registry
        )
        self.events = Counter(
            "wa_feed_events", "Events fanned out to readers.", registry=self.registry
        )
        self.gaps = Counter(
            "wa_feed_gaps",
            "Readers told that events are lost to them.",
            ["kind"],
            registry=self.registry,
        )
        self.closed = Counter(
            "wa_feed_closed",
            "Sockets and streams closed by the server, by code.",
            ["code"],
            registry=self.registry,
        )
        self.commands = Counter(
            "wa_feed_commands",
            "WebSocket commands by name and outcome.",
            ["command", "outcome"],
            registry=self.registry,
        )
        self._known: dict[tuple[str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        self._load = {"requests": 0.0, "failures": 0.0, "timed": 0.0, "timed_seconds": 0.0}
        self._slowest = 0.0

    def answered(
        self,
        operation: str,
        status: int,
        seconds: float | None = None,
        *,
        asked_to_wait: bool = False,
    ) -> None:
        """Count one answer; with `seconds` also how long it took."""
        self._load["requests"] += 1
        self._load["failures"] += status >= 500
        if seconds is not None and not asked_to_wait:
            self._load["timed"] += 1
            self._load["timed_seconds"] += seconds
            self._slowest = max(self._slowest, seconds)
        counter = self._known.get((operation, status))
        if counter is None:
            counter = self._requests.labels(operation, str(status))
            self._known[operation, status] = counter
        counter.inc()
        if seconds is not None:
            timer = self._timers.get(operation)
            if timer is None:
                timer = self._timers[operation] = self._seconds.labels(operation)
            timer.observe(seconds)

    def load(self) -> dict[str, float]:
        """Totals since the start for the fleet, and the slowest answer since this was last asked.

        Answers that were asked to wait (`?wait=`) are in `requests` but not in `timed`.
        """
        slowest, self._slowest = self._slowest, 0.0
        return {**self._load, "slowest_seconds": round(slowest, 4)}

    def page(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)
