"""Everything that can be asked of an engine, by family; conversion is pure, calls block."""

from __future__ import annotations

from workers.engine.calls import directory, groups, newsletters, profile
from workers.engine.calls.call import Calls

CALLS: Calls = {**directory.CALLS, **groups.CALLS, **newsletters.CALLS, **profile.CALLS}
