"""Names of keys and channels. `{…}` are hash tags: one session's keys share a cluster slot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """All names that the bus uses, under one prefix."""

    prefix: str

    def lease(self, session: str) -> str:
        """String `worker:epoch`, expiring: who runs the session."""
        return f"{self.prefix}{{{session}}}:lease"

    def epoch(self, session: str) -> str:
        """Counter: the epoch given last."""
        return f"{self.prefix}{{{session}}}:epoch"

    def reserved(self, session: str) -> str:
        """String, expiring: the only worker that may acquire it now."""
        return f"{self.prefix}{{{session}}}:reserved"

    def commands(self, session: str) -> str:
        """Stream: what waits for the owner."""
        return f"{self.prefix}{{{session}}}:commands"

    def begun(self, session: str) -> str:
        """Hash command -> epoch: what an owner began that must not run twice."""
        return f"{self.prefix}{{{session}}}:begun"

    def reply(self, session: str, command: str) -> str:
        """String, expiring: a reply, for a caller that missed its publication."""
        return f"{self.prefix}{{{session}}}:reply:{command}"

    def wake(self, session: str) -> str:
        """Channel: a command was put into the stream."""
        return f"{self.prefix}{{{session}}}:wake"

    def log(self, tenant: str) -> str:
        """Stream: the live tail of the tenant's events."""
        return f"{self.prefix}{{{tenant}}}:log"

    def state(self, tenant: str) -> str:
        """Hash: last, archived and trimmed entry ids of the log, its generation."""
        return f"{self.prefix}{{{tenant}}}:state"

    def fences(self, tenant: str) -> str:
        """Hash session -> newest epoch."""
        return f"{self.prefix}{{{tenant}}}:fences"

    def marks(self, tenant: str) -> str:
        """Hash: slot -> what its last append said (see `EventLog.append`)."""
        return f"{self.prefix}{{{tenant}}}:marks"

    def events(self, tenant: str) -> str:
        """Channel: the tenant's events as they are appended."""
        return f"{self.prefix}{{{tenant}}}:events"

    def replies(self, process: str) -> str:
        """Channel: replies to the commands of one process."""
        return f"{self.prefix}replies:{process}"

    def worker(self, worker: str) -> str:
        """String, expiring: the worker's last heartbeat."""
        return f"{self.prefix}worker:{worker}"

    def held(self, worker: str) -> str:
        """Set, a hint: sessions that the worker may hold leases of."""
        return f"{self.prefix}worker:{worker}:sessions"

    def orders(self, worker: str) -> str:
        """Channel: orders for one worker."""
        return f"{self.prefix}orders:{worker}"

    def wanted(self, network: str) -> str:
        """Channel: sessions of a network that may need an owner."""
        return f"{self.prefix}wanted:{network}"

    def rate(self, name: str) -> str:
        """Hash, expiring: a bucket of requests."""
        return f"{self.prefix}rate:{name}"

    @property
    def freed(self) -> str:
        """Channel: sessions whose owner let go, of any network."""
        return f"{self.prefix}freed"

    @property
    def workers(self) -> str:
        """Set: ids of workers that may live."""
        return f"{self.prefix}workers"

    @property
    def dirty(self) -> str:
        """Set: tenants whose log has entries to archive."""
        return f"{self.prefix}logs:dirty"
