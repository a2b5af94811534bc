"""All that the control socket can be asked for. A tenant sees only its own phones."""

from __future__ import annotations

from typing import Any

import msgspec

from workers.sandbox.contact_methods import ContactMethods
from workers.sandbox.errors import BadRequest, NotFound
from workers.sandbox.fault_methods import FaultMethods
from workers.sandbox.finding import Finder
from workers.sandbox.group_methods import GroupMethods
from workers.sandbox.handlers import Table
from workers.sandbox.judge_methods import JudgeMethods
from workers.sandbox.load import Loads
from workers.sandbox.media import MediaHost
from workers.sandbox.network import Network
from workers.sandbox.newsletter_methods import NewsletterMethods
from workers.sandbox.phone_methods import PhoneMethods


class Methods:
    """One coroutine per method, found by its name in `table`."""

    def __init__(
        self, network: Network, media: MediaHost, loads: Loads, info: dict[str, Any]
    ) -> None:
        finder = Finder(network)
        self.table: Table = {
            **JudgeMethods(network, info).table,
            **PhoneMethods(network, finder, media).table,
            **ContactMethods(network, finder).table,
            **GroupMethods(network, finder).table,
            **NewsletterMethods(network, finder).table,
            **FaultMethods(network, finder, loads).table,
        }

    async def call(self, method: str, given: dict[str, Any]) -> Any:
        """Checks the parameters and does it; raises SandboxError."""
        found = self.table.get(method)
        if found is None:
            raise NotFound(f"there is no method {method!r}")
        shape, handler = found
        try:
            checked: Any = msgspec.convert(given, shape)
        except msgspec.ValidationError as error:
            raise BadRequest(str(error)) from error
        return await handler(checked)
