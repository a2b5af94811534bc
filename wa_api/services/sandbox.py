"""The network without phones: a tenant commands its own virtual phones, and no others."""

from __future__ import annotations

from typing import Any

from wa_api.bus.sandbox import SandboxClient, SandboxRefused, SandboxUnavailable
from wa_api.domain.errors import BadRequest, Conflict, NotFound, Unavailable, WaError
from wa_api.domain.principals import Principal, Scope


class PhoneOffline(Conflict):
    """The virtual phone is offline."""

    code = "phone_offline"


class PairingFailed(Conflict):
    """The virtual phone could not link the session."""

    code = "pairing_failed"


class PairingRefused(Conflict):
    """The virtual phone was told to refuse."""

    code = "pairing_refused"


_ERRORS: dict[str, type[WaError]] = {
    "not_found": NotFound,
    "bad_request": BadRequest,
    "conflict": Conflict,
    "phone_offline": PhoneOffline,
    "pairing_failed": PairingFailed,
    "refused": PairingRefused,
}


class Sandbox:
    """Use cases about virtual phones: each is one call of the sandbox's control socket."""

    def __init__(self, client: SandboxClient) -> None:
        """`client` leads to the sandbox's process, which may not run yet."""
        self._client = client

    async def call(self, who: Principal, method: str, **parameters: Any) -> Any:
        """Do it for the caller's tenant. Raises Unavailable when the sandbox does not run."""
        tenant = who.require(Scope.SANDBOX)
        # A waiting call has its own limit, and gets some time beyond it to be answered.
        limit = float(parameters.get("wait") or 0.0) + 30.0
        try:
            return await self._client.call(method, timeout=limit, tenant=tenant, **parameters)
        except SandboxRefused as error:
            sentence = str(error)[:1].upper() + str(error)[1:]
            raise _ERRORS.get(error.code, Conflict)(f"{sentence.rstrip('.')}.") from None
        except SandboxUnavailable:
            raise Unavailable("The sandbox does not answer right now.") from None

    async def close(self) -> None:
        """End the connection."""
        await self._client.close()
