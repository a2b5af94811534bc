"""How a message's turn may end, and what is said of those that did not go out."""

from __future__ import annotations

import time
from enum import Enum, auto

from wa_api.domain.ids import MessageId
from wa_api.domain.messages import Problem, Status
from wa_api.store.rows import Advance

EXPIRED = ("expired", "The session was not online in time.")
NOBODY = ("recipient_not_on_whatsapp", "The recipient is not on WhatsApp.")
UNCERTAIN = ("outcome_unknown", "WhatsApp did not confirm the message; it may have gone out.")


class End(Enum):
    """How a turn ended."""

    WENT = auto()  #: out, or perhaps
    STAYED = auto()  #: it will not go out
    AGAIN = auto()  #: it may be tried again
    COLD = auto()  #: it may be tried again when WhatsApp takes messages to new contacts


#: An engine's words for what did not go out and may later.
RETRIED = {"not_connected": End.AGAIN, "account_restricted": End.COLD}


def failed(message: MessageId, status: Status, code: str, detail: str) -> Advance:
    """A message that ended otherwise than sent."""
    problem = Problem(code=code, detail=detail)
    return Advance(id=message, status=status, time=time.time(), error=problem)
