"""Users of one tenant (None: of the platform). Signing in is in `logins`."""

from __future__ import annotations

from wa_api.domain.errors import NameTaken, NotFound
from wa_api.domain.ids import TenantId, UserId, new_id
from wa_api.store.db import Duplicate, Sql, Work, database, now_ms
from wa_api.store.models import User
from wa_api.store.rows import UserRow
from wa_api.store.secrets import hash_password
from wa_api.store.views import seconds

MAX_LIMIT = 200


def user_row(user: User) -> UserRow:
    """A user without the password."""
    return UserRow(
        id=UserId(user.id),
        tenant=user.tenant,
        name=user.name,
        role=user.role,
        created_at=seconds(user.created_at),
        disabled=user.disabled_at is not None,
    )


async def create(tenant: TenantId | None, *, name: str, password: str, role: str) -> UserRow:
    """A new user; names are unique on the whole platform. Raises NameTaken."""
    made = User(
        id=new_id("usr"),
        tenant=tenant,
        name=name,
        password=await hash_password(password),
        role=role,
        created_at=now_ms(),
    )
    try:
        await database().orm(made.save(force_create=True))
    except Duplicate as error:
        raise NameTaken from error
    return user_row(made)


async def find(tenant: TenantId | None, user: UserId) -> UserRow | None:
    """A user, or None."""
    found = await database().orm(User.get_or_none(id=user, tenant=tenant))
    return user_row(found) if found else None


async def list_users(tenant: TenantId | None, *, after: str = "", limit: int = 50) -> list[UserRow]:
    """Users, oldest first, going on after the id `after`."""
    found = await database().orm(
        User.filter(tenant=tenant, id__gt=after).order_by("id").limit(max(1, min(limit, MAX_LIMIT)))
    )
    return [user_row(one) for one in found]


async def update(
    tenant: TenantId | None,
    user: UserId,
    *,
    password: str | None = None,
    role: str | None = None,
    disabled: bool | None = None,
) -> UserRow:
    """Change what is given; any change ends the user's refresh tokens. Raises NotFound."""
    changes: dict[str, object] = {}
    if password is not None:
        changes["password"] = await hash_password(password)
    if role is not None:
        changes["role"] = role
    if disabled is not None:
        changes["disabled_at"] = now_ms() if disabled else None
    if changes:
        changed: int = await database().orm(User.filter(id=user, tenant=tenant).update(**changes))
        if changed:
            await database().fetch("DELETE FROM refresh_tokens WHERE subject = $1", user)
    found = await find(tenant, user)
    if found is None:
        raise NotFound
    return found


async def delete(tenant: TenantId | None, user: UserId) -> None:
    """Remove a user with its refresh tokens; raises NotFound."""
    await database().run(lambda: _delete(tenant, user))


def _delete(tenant: TenantId | None, user: UserId) -> Work[None]:
    gone = yield Sql(
        "DELETE FROM users WHERE id = $1 AND COALESCE(tenant, '') = $2 RETURNING id",
        (user, tenant or ""),
    )
    if not gone:
        raise NotFound
    yield Sql("DELETE FROM refresh_tokens WHERE subject = $1", (user,))
