"""The message that another one answers, forwards or changes: found, and checked to allow it."""

from __future__ import annotations

import msgspec

from wa_api.domain.addresses import Jid
from wa_api.domain.changes import allowed
from wa_api.domain.content import (
    Action,
    Album,
    Content,
    Context,
    Forward,
    GroupInvite,
    NewAlbum,
    Sendable,
    Undecryptable,
    Unsupported,
    Vote,
    type_of,
)
from wa_api.domain.errors import InvalidBody, MessageNotFound
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.messages import MessageView
from wa_api.store import changes
from wa_api.store import messages as rows
from wa_api.store.views import content_in

#: An invitation is for the one who got it.
_SENDABLE_NOT = (Action, Album, GroupInvite, Undecryptable, Unsupported)


async def settle(
    tenant: TenantId, session: SessionId, to: Jid, content: Sendable, context: Context
) -> tuple[Content | NewAlbum, Context]:
    """What to keep of a message to be sent: references name our ids, a forward has its content.

    Raises MessageNotFound, or InvalidBody when the message found does not allow it.
    """
    if context.message_id is not None:
        answered = await _get(tenant, session, context.message_id)
        context = msgspec.structs.replace(context, message_id=answered.id)
    if isinstance(content, Forward):
        return await _forwarded(tenant, session, content, context)
    if isinstance(content, Action):
        target = await _get(tenant, session, content.message_id)
        _check(target, to, content)
        content = msgspec.structs.replace(content, message_id=target.id)
    return content, context


async def _get(tenant: TenantId, session: SessionId, ref: str) -> MessageView:
    """A message by our id or WhatsApp's; raises MessageNotFound."""
    found = await rows.find(tenant, MessageId(ref), session)
    if found is None:
        known = await rows.by_wa_id(tenant, session, ref)
        found = known[0] if known else None
    if found is None:
        raise MessageNotFound(f"There is no message {ref[:64]!r} in this session.")
    return found


async def _forwarded(
    tenant: TenantId, session: SessionId, asked: Forward, context: Context
) -> tuple[Content, Context]:
    found = await _get(tenant, session, asked.message_id)
    [found] = await changes.shown(tenant, session, [found])
    content = content_in(found)
    if isinstance(content, _SENDABLE_NOT) or found.revoked is not None:
        raise _refused("forward", f"a message of the type {found.type} cannot be forwarded")
    score = (found.context or {}).get("forwarding_score", 0) + 1
    kept = msgspec.structs.replace(context, forward_of=found.id, forwarding_score=score)
    return content, kept


def _check(target: MessageView, to: Jid, action: Action) -> None:
    name = type_of(action)  # type: ignore[arg-type]  # every action is content
    if str(to) not in (target.chat.id, target.chat.lid):
        raise _refused(name, "that message is in another chat")
    if not allowed(target, action, None):
        raise _refused(name, "that message is not one of this account's own")
    if isinstance(action, Vote):
        _check_vote(target, action)


def _check_vote(target: MessageView, vote: Vote) -> None:
    if target.type != "poll":
        raise _refused("vote", "that message is no poll")
    if not set(vote.options) <= set(target.content["options"]):
        raise InvalidBody(
            "`vote.options`: not an option of the poll",
            errors=[{"field": "vote.options", "detail": "not an option of the poll"}],
        )
    most = target.content.get("max_choices", 1)
    if most and len(vote.options) > most:
        raise _refused("vote", f"the poll allows {most} choices")


def _refused(member: str, detail: str) -> InvalidBody:
    field = f"{member}.message_id"
    return InvalidBody(f"`{field}`: {detail}", errors=[{"field": field, "detail": detail}])
