"""Invitations to groups, by the messages that brought them."""

from __future__ import annotations

import time

from wa_api.domain.content import GroupInvite
from wa_api.domain.groups import AcceptInvite
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.refusals import InviteExpired, NoInvitation
from wa_api.store import messages
from wa_api.store.views import content_in


async def invitation(tenant: TenantId, session: SessionId, message: MessageId) -> AcceptInvite:
    """What accepts the invitation that a message holds.

    Raises MessageNotFound, NoInvitation or InviteExpired.
    """
    found = await messages.get(tenant, message, session)
    content = content_in(found)
    if not isinstance(content, GroupInvite) or found.direction != "in" or found.sender is None:
        raise NoInvitation
    if content.expires_at is not None and content.expires_at < time.time():
        raise InviteExpired
    return AcceptInvite(
        group=content.group,
        inviter=found.sender.lid or found.sender.id,
        code=content.code,
        expires_at=content.expires_at or 0,
    )
