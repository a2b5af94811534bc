"""Why a pairing or a connection ended, in the port's words."""

from __future__ import annotations

from typing import Any

from wa_api.domain.sessions import Reason
from workers.engine.neonize import proto
from workers.engine.port import Ended, PairingEnded


def pairing_end_of(status: str, shown: float, lifetimes: tuple[float, ...]) -> PairingEnded | Ended:
    """Why the library gave a pairing up, from its status.

    `shown` is for how many seconds the last code was shown: the library also says `timeout` when
    the connection breaks, and then the code was not shown for its lifetime.
    """
    if status == "timeout":
        if any(abs(shown - lifetime) < 1 for lifetime in lifetimes):
            return PairingEnded(Reason.QR_TIMED_OUT, "No QR code was scanned.")
        return PairingEnded(Reason.CONNECTION_LOST, "The connection broke while pairing.")
    if status.startswith("passkey"):
        return PairingEnded(Reason.PASSKEY_REQUIRED, "The account demands a passkey.")
    if status == "err-client-outdated":
        return Ended(Reason.CLIENT_OUTDATED, "WhatsApp refuses this client version.")
    return PairingEnded(Reason.PAIRING_REFUSED, "The pairing was refused.")


_FAILURES = {
    proto.LOGGED_OUT: (Reason.LOGGED_OUT_ON_PHONE, "The link was removed on the phone."),
    proto.TEMP_BANNED: (Reason.TEMPORARY_BAN, "WhatsApp banned the account for a time."),
    proto.MAIN_DEVICE_GONE: (
        Reason.LOGGED_OUT_ON_PHONE,
        "The phone was logged out of WhatsApp, or the account is locked.",
    ),
    proto.UNKNOWN_LOGOUT: (Reason.PERMANENT_BAN, "WhatsApp banned the account."),
    proto.CLIENT_OUTDATED: (Reason.CLIENT_OUTDATED, "WhatsApp refuses this client version."),
    proto.BAD_USER_AGENT: (Reason.CLIENT_OUTDATED, "WhatsApp refuses this client's name."),
    proto.INTERNAL_SERVER_ERROR: (Reason.SERVICE_UNAVAILABLE, "WhatsApp has an error."),
    proto.SERVICE_UNAVAILABLE: (Reason.SERVICE_UNAVAILABLE, "WhatsApp is unavailable."),
}


def failure_of(event: Any) -> Ended:
    """The end that a LoggedOut or ConnectFailure event means."""
    unknown = Reason.ENGINE_ERROR, "WhatsApp refused the connection for an unknown reason."
    reason = event.Reason if event.HasField("Reason") else None
    return Ended(*(_FAILURES.get(reason, unknown) if reason is not None else unknown))


def ban_of(event: Any, now: float) -> Ended:
    """The end that a TemporaryBan event means; `now` is Unix seconds."""
    return Ended(
        Reason.TEMPORARY_BAN,
        "WhatsApp banned the account for a time.",
        until=now + event.Expire if event.Expire > 0 else None,
    )
