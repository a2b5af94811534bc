"""Addresses with a device part, as stanzas carry them."""

from __future__ import annotations

from typing import NamedTuple

PN = "s.whatsapp.net"
LID = "lid"
GROUP = "g.us"
BROADCAST = "broadcast"
LEGACY = "c.us"
HOSTED = "hosted"
HOSTED_LID = "hosted.lid"
MESSENGER = "msgr"
INTEROP = "interop"
NEWSLETTER = "newsletter"


class Jid(NamedTuple):
    """`user[:device]@server`; device 0 is the phone; a server alone has no user."""

    user: str
    server: str
    device: int = 0
    integrator: int = 0

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Reads `user[.agent][:device]@server`; raises ValueError for a bad device."""
        user, at, server = text.rpartition("@")
        if not at:
            return cls("", server)
        user, _, device = user.partition(":")
        return cls(user.partition(".")[0], server, int(device or 0))

    def with_device(self, device: int) -> Jid:
        """The same user at another device."""
        return Jid(self.user, self.server, device)

    @property
    def bare(self) -> Jid:
        """The same user without a device."""
        return Jid(self.user, self.server) if self.device else self

    @property
    def ad(self) -> str:
        """The form that participant hashes are made of."""
        return f"{self.user}.0:{self.device}@{self.server}"

    def __str__(self) -> str:
        if not self.user:
            return self.server
        device = f":{self.device}" if self.device else ""
        return f"{self.user}{device}@{self.server}"


SERVER = Jid("", PN)
GROUP_SERVER = Jid("", GROUP)
STATUS = Jid("status", BROADCAST)
