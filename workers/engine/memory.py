"""What one connection remembers of WhatsApp, so that it need not ask again. Bounded; any thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from wa_api.domain.groups import Group

#: Members of all remembered groups together; a large group has a thousand.
MOST_MEMBERS = 10_000
MOST_CALLS = 100


class Groups:
    """Groups as WhatsApp told them last. What happens in a group makes it forgotten.

    An answer that is still under way when something happens may be older than that: so `begin`
    before asking, and `put` what came with its mark.
    """

    def __init__(self, most_members: int = MOST_MEMBERS) -> None:
        self._most, self._lock = most_members, threading.Lock()
        self._groups: OrderedDict[str, Group] = OrderedDict()
        self._members = 0
        self._changes = 0

    def find(self, jid: str) -> Group | None:
        """A group that is known."""
        with self._lock:
            found = self._groups.get(jid)
            if found is not None:
                self._groups.move_to_end(jid)
            return found

    def begin(self) -> int:
        """A mark of the present moment."""
        return self._changes

    def put(self, group: Group, mark: int) -> None:
        """Remember, unless something happened in any group since the mark."""
        with self._lock:
            if mark != self._changes or len(group.participants) > self._most:
                return
            self._drop(group.id)
            self._groups[group.id] = group
            self._members += len(group.participants)
            while self._members > self._most:
                self._drop(next(iter(self._groups)))

    def forget(self, jid: str | None = None) -> None:
        """Something happened in the group (in any of them)."""
        with self._lock:
            self._changes += 1
            for each in [jid] if jid is not None else list(self._groups):
                self._drop(each)

    def _drop(self, jid: str) -> None:
        known = self._groups.pop(jid, None)
        self._members -= len(known.participants) if known is not None else 0


class Calls:
    """Who calls, until the call ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: OrderedDict[str, Any] = OrderedDict()

    def begin(self, call: str, caller: Any) -> None:
        """It rings; `caller` is the library's address."""
        with self._lock:
            self._callers[call] = caller
            if len(self._callers) > MOST_CALLS:
                self._callers.popitem(last=False)

    def end(self, call: str) -> Any:
        """It is over: who called, or None."""
        with self._lock:
            return self._callers.pop(call, None)

    def find(self, call: str) -> Any:
        """Who calls, or None."""
        return self._callers.get(call)


class Memory:
    """All of it."""

    def __init__(self) -> None:
        self.groups, self.calls = Groups(), Calls()
