"""WhatsApp addresses: what people write, and the one form that we answer with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wa_api.domain.errors import InvalidAddress

USER, LID, GROUP, NEWSLETTER, BROADCAST = (
    "s.whatsapp.net",
    "lid",
    "g.us",
    "newsletter",
    "broadcast",
)
_ALIASES = {"c.us": USER, USER: USER, LID: LID, GROUP: GROUP, NEWSLETTER: NEWSLETTER}
_SHAPES = {
    USER: re.compile(r"[1-9][0-9]{5,14}"),  # E.164: at most 15 digits, none starts with 0
    LID: re.compile(r"[1-9][0-9]{4,19}"),
    GROUP: re.compile(r"[0-9]{5,20}(-[0-9]{5,15})?"),
    NEWSLETTER: re.compile(r"[0-9]{5,24}"),
}
_PUNCTUATION = str.maketrans("", "", " ()-.")


@dataclass(frozen=True, slots=True)
class Jid:
    """A WhatsApp address: `user@server`, without the device part."""

    user: str
    server: str

    def __str__(self) -> str:
        return f"{self.user}@{self.server}"

    @property
    def is_group(self) -> bool:
        """Whether this is a group."""
        return self.server == GROUP

    @property
    def is_shared(self) -> bool:
        """Whether more than one person writes there, so that a message needs its author named."""
        return self.server in (GROUP, BROADCAST)


def parse_address(text: str) -> Jid:
    """Read bare digits, `+E.164`, `…@s.whatsapp.net`, `…@c.us`, `…@lid`, `…@g.us`,
    `…@newsletter` or `status@broadcast`.

    Raises InvalidAddress, saying what was expected (and never echoing the input).
    """
    if text == "status@broadcast":
        return Jid("status", BROADCAST)
    user, at, server = text.partition("@")
    if not at:
        user, server = user.translate(_PUNCTUATION).removeprefix("+"), USER
    canonical = _ALIASES.get(server)
    if canonical is None or not _SHAPES[canonical].fullmatch(user):
        raise InvalidAddress(
            "Expected digits with country code, +E.164, or user@server with server one of "
            "s.whatsapp.net, c.us, lid, g.us, newsletter; or status@broadcast."
        )
    return Jid(user, canonical)
