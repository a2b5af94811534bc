"""Users: people who sign in with a password."""

from __future__ import annotations

from wa_api.domain.errors import Forbidden, InvalidBody, NotFound
from wa_api.domain.ids import TenantId, UserId
from wa_api.domain.principals import ROLES, Principal
from wa_api.services.audit import record
from wa_api.services.auth import PLATFORM_ROLE, Auth
from wa_api.services.views import UserView, user_view
from wa_api.store import logins
from wa_api.store import tenants as tenant_rows
from wa_api.store import users as rows


def _check_role(tenant: TenantId | None, role: str) -> None:
    allowed = [PLATFORM_ROLE] if tenant is None else sorted(ROLES)
    if role not in allowed:
        raise InvalidBody(f"`role`: must be one of {', '.join(allowed)}.")


class Users:
    """Use cases about users; whoever changes one ends that one's tokens."""

    def __init__(self, auth: Auth) -> None:
        """`auth` hears of what is revoked."""
        self._auth = auth

    async def create(
        self, who: Principal, tenant: str | None, *, name: str, password: str, role: str
    ) -> UserView:
        """A new user of the caller's tenant, or of the one that a platform administrator names."""
        owner = who.acting_for(tenant)
        _check_role(owner, role)
        if owner is not None:
            await tenant_rows.get(owner)
        row = await rows.create(owner, name=name, password=password, role=role)
        await record(who, owner, "user.created", row.id, name=name, role=role)
        return user_view(row)

    async def page(
        self, who: Principal, tenant: str | None, after: str, limit: int
    ) -> list[UserView]:
        """Users, oldest first."""
        owner = who.acting_for(tenant)
        return [user_view(row) for row in await rows.list_users(owner, after=after, limit=limit)]

    async def get(self, who: Principal, tenant: str | None, user: UserId) -> UserView:
        """One user; everybody may see themselves."""
        owner = who.tenant if user == who.subject else who.acting_for(tenant)
        row = await rows.find(owner, user)
        if row is None:
            raise NotFound("There is no such user.")
        return user_view(row)

    async def update(
        self,
        who: Principal,
        tenant: str | None,
        user: UserId,
        *,
        password: str | None,
        role: str | None,
        disabled: bool | None,
    ) -> UserView:
        """Change what is given; the user must sign in anew. Everybody may change their password."""
        if user == who.subject and role is None and disabled is None:
            owner = who.tenant
        else:
            owner = who.acting_for(tenant)
        if user == who.subject and disabled:
            raise Forbidden("Nobody disables themselves.")
        if role is not None:
            _check_role(owner, role)
        signed_in = await logins.families(user)
        row = await rows.update(owner, user, password=password, role=role, disabled=disabled)
        await self._auth.end_sign_ins(user, signed_in)
        changed = {"role": role, "disabled": disabled, "password": "changed" if password else None}
        await record(who, owner, "user.updated", user, name=row.name, **changed)
        return user_view(row)

    async def delete(self, who: Principal, tenant: str | None, user: UserId) -> None:
        """Remove a user; their tokens are void at once."""
        owner = who.acting_for(tenant)
        if user == who.subject:
            raise Forbidden("Nobody removes themselves.")
        gone = await rows.find(owner, user)
        await rows.delete(owner, user)
        await self._auth.revoke(frozenset({str(user)}))
        await record(who, owner, "user.deleted", user, name=gone.name if gone else None)
