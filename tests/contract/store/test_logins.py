"""Users, keys and tokens: secrets are hashed, used once where promised, and end when told."""

from __future__ import annotations

import asyncio
import time

import pytest

from wa_api.domain.errors import NameTaken, NotFound, TokenExpired, TokenRevoked, Unauthorized
from wa_api.domain.ids import TenantId
from wa_api.domain.principals import Scope
from wa_api.store import api_keys, fleet, logins, tenants, users
from wa_api.store.db import Database


async def test_a_user_signs_in_with_the_right_password_only(tenant: TenantId):
    """Wrong password, unknown name and disabled user look the same."""
    made = await users.create(tenant, name="ana", password="correct horse", role="owner")
    assert await logins.password("ana", "correct horse") == made
    assert await logins.password("ana", "wrong") is None
    assert await logins.password("nobody", "correct horse") is None
    await users.update(tenant, made.id, disabled=True)
    assert await logins.password("ana", "correct horse") is None
    back = await users.update(tenant, made.id, disabled=False, password="new", role="viewer")
    assert (await logins.password("ana", "new")) == back
    assert back.role == "viewer"


async def test_no_password_or_secret_is_kept_in_the_clear(store: Database, tenant: TenantId):
    """The tables hold hashes."""
    await users.create(tenant, name="ana", password="correct horse", role="owner")
    _, key = await api_keys.create(tenant, name="k", scopes=[Scope.SESSIONS_READ])
    refresh = await logins.issue_refresh(tenant, "usr_1", {}, seconds=60)
    once = await logins.issue_one_time("admin", {}, seconds=60)
    kept = ""
    for table in ("users", "api_keys", "refresh_tokens", "one_time_tokens"):
        kept += str([tuple(row) for row in await store.fetch(f"SELECT * FROM {table}")])
    assert "$argon2id$" in kept
    for secret in ("correct horse", key.rsplit("_", 1)[1], refresh, once):
        assert secret not in kept


async def test_user_names_are_unique_on_the_platform(tenant: TenantId):
    """A second `ana` is refused in any tenant."""
    await users.create(tenant, name="ana", password="x", role="owner")
    with pytest.raises(NameTaken):
        await users.create(None, name="ana", password="x", role="platform")


async def test_users_of_other_tenants_are_not_found(tenant: TenantId):
    """Listing, changing and deleting stay within the tenant; the platform's are apart."""
    made = await users.create(tenant, name="ana", password="x", role="owner")
    boss = await users.create(None, name="root", password="x", role="platform")
    other = (await tenants.create("B")).id
    assert await users.list_users(tenant) == [made]
    assert await users.list_users(None) == [boss]
    for who in (other, None):
        assert await users.find(who, made.id) is None
        with pytest.raises(NotFound):
            await users.update(who, made.id, role="viewer")
        with pytest.raises(NotFound):
            await users.delete(who, made.id)
    await users.delete(None, boss.id)
    await users.delete(tenant, made.id)
    assert await users.list_users(tenant) == []


async def test_a_key_works_until_it_is_revoked(tenant: TenantId):
    """Its text is `wa_<id>_<secret>`; a wrong secret, an expired and a revoked key do not work."""
    row, text = await api_keys.create(
        tenant, name="k", scopes=[Scope.MESSAGES_WRITE], sessions=["ses_1"]
    )
    found = await logins.api_key(text)
    assert found is not None
    assert (found.id, found.scopes, found.sessions) == (row.id, {Scope.MESSAGES_WRITE}, {"ses_1"})
    assert (await api_keys.find(tenant, row.id)).last_used_at is not None
    for wrong in (text[:-1] + ("A" if text[-1] != "A" else "B"), "wa_x", "", text + "x"):
        assert await logins.api_key(wrong) is None
    other = (await tenants.create("B")).id
    with pytest.raises(NotFound):
        await api_keys.revoke(other, row.id)
    assert await api_keys.list_keys(other) == []
    assert [one.id for one in await api_keys.list_keys(tenant)] == [row.id]
    await api_keys.revoke(tenant, row.id)
    assert await logins.api_key(text) is None
    assert await api_keys.list_keys(tenant) == []
    _, old = await api_keys.create(tenant, name="o", scopes=[], expires_at=time.time() - 1)
    assert await logins.api_key(old) is None


async def test_a_revoked_access_token_stays_revoked_until_it_expires(store: Database):
    """The list forgets what has expired anyway."""
    await logins.revoke("j1", time.time() + 60)
    await logins.revoke("j1", time.time() + 60)
    await logins.revoke("j2", time.time() - 60)
    assert await logins.is_revoked("j1")
    assert not await logins.is_revoked("j3")
    assert await logins.revoked() == {"j1"}
    assert await fleet.purge() == 1
    assert await logins.is_revoked("j1")


async def test_refresh_tokens_rotate(tenant: TenantId):
    """Each is good for one successor with the same claims."""
    first = await logins.issue_refresh(tenant, "usr_1", {"role": "owner"}, seconds=60)
    second = await logins.rotate_refresh(first, seconds=60)
    third = await logins.rotate_refresh(second.token, seconds=60)
    assert (third.tenant, third.subject, third.claims) == (tenant, "usr_1", {"role": "owner"})


async def test_a_stolen_refresh_token_ends_the_chain(tenant: TenantId):
    """Using one twice revokes thief and owner alike."""
    first = await logins.issue_refresh(tenant, "usr_1", {}, seconds=60)
    second = await logins.rotate_refresh(first, seconds=60)
    with pytest.raises(TokenRevoked):
        await logins.rotate_refresh(first, seconds=60)
    with pytest.raises(TokenRevoked):
        await logins.rotate_refresh(second.token, seconds=60)


async def test_of_two_rotations_at_once_one_succeeds(tenant: TenantId):
    """The same token twice in the same moment is a reuse too."""
    token = await logins.issue_refresh(tenant, "usr_1", {}, seconds=60)
    results = await asyncio.gather(
        *(logins.rotate_refresh(token, seconds=60) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(one, logins.Refreshed) for one in results) == 1
    assert sum(isinstance(one, TokenRevoked) for one in results) == 3


async def test_refresh_tokens_end(tenant: TenantId):
    """By time, by signing out, with their family, with a changed password, or by being nonsense."""
    expired = await logins.issue_refresh(tenant, "usr_1", {}, seconds=-1)
    with pytest.raises(TokenExpired):
        await logins.rotate_refresh(expired, seconds=60)
    out = await logins.issue_refresh(tenant, "usr_1", {}, seconds=60)
    assert await logins.revoke_refresh(out)
    kin = await logins.issue_refresh(tenant, "usr_1", {}, seconds=60, family="fam_1")
    await logins.end_refresh("fam_1")
    for ended in (out, kin):
        with pytest.raises(TokenRevoked):
            await logins.rotate_refresh(ended, seconds=60)
    user = await users.create(tenant, name="ana", password="x", role="owner")
    theirs = await logins.issue_refresh(tenant, user.id, {}, seconds=60)
    await users.update(tenant, user.id, password="y")
    for nonsense in (theirs, "x"):
        with pytest.raises(Unauthorized):
            await logins.rotate_refresh(nonsense, seconds=60)
    assert not await logins.revoke_refresh("x")


async def test_a_one_time_token_opens_once(store: Database):
    """Two at once: one gets in. A new token replaces the one before; an expired one is void."""
    first = await logins.issue_one_time("admin", {"n": 1}, seconds=60)
    token = await logins.issue_one_time("admin", {"n": 2}, seconds=60)
    assert await logins.redeem_one_time("admin", first) is None
    assert await logins.redeem_one_time("other", token) is None
    got = await asyncio.gather(*(logins.redeem_one_time("admin", token) for _ in range(3)))
    assert sorted(got, key=str) == [None, None, {"n": 2}]
    late = await logins.issue_one_time("admin", {}, seconds=-1)
    assert await logins.redeem_one_time("admin", late) is None
