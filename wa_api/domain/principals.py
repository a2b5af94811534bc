"""Who is calling and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wa_api.domain.errors import Forbidden, TenantNotFound
from wa_api.domain.ids import TenantId


class Scope(StrEnum):
    """A right. `platform:admin` implies managing tenants, never reading a tenant's messages."""

    PLATFORM_ADMIN = "platform:admin"
    TENANT_ADMIN = "tenant:admin"  #: keys, users and webhooks of the tenant
    SESSIONS_READ = "sessions:read"
    SESSIONS_WRITE = "sessions:write"
    MESSAGES_READ = "messages:read"
    MESSAGES_WRITE = "messages:write"
    EVENTS_READ = "events:read"
    SANDBOX = "sandbox"


TENANT_SCOPES = frozenset(Scope) - {Scope.PLATFORM_ADMIN}

#: Roles are named sets of scopes; a user has one.
ROLES: dict[str, frozenset[Scope]] = {
    "owner": TENANT_SCOPES,
    "agent": frozenset(
        {Scope.SESSIONS_READ, Scope.MESSAGES_READ, Scope.MESSAGES_WRITE, Scope.EVENTS_READ}
    ),
    "viewer": frozenset({Scope.SESSIONS_READ, Scope.MESSAGES_READ, Scope.EVENTS_READ}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a tenant (None for the platform) plus scopes.

    `subject` is the user or key; `token_id` names what is revoked; `expires_at` is Unix seconds
    or None; `sessions` limits the principal to some sessions of its tenant (None: all).
    """

    tenant: TenantId | None
    subject: str
    scopes: frozenset[Scope]
    token_id: str
    expires_at: float | None = None
    sessions: frozenset[str] | None = None

    def require(self, scope: Scope) -> TenantId:
        """The caller's tenant, or Forbidden when the scope (or a tenant) is missing."""
        if scope not in self.scopes or self.tenant is None:
            raise Forbidden(f"This needs the scope {scope} in a tenant.")
        return self.tenant

    def require_platform(self) -> None:
        """Raise Forbidden unless this is a platform administrator."""
        if Scope.PLATFORM_ADMIN not in self.scopes:
            raise Forbidden("This needs a platform administrator.")

    def acting_for(self, tenant: str | None) -> TenantId | None:
        """Whose users and keys are meant: the caller's own tenant, or for a platform administrator
        the one that is named (None: the platform's own). Raises Forbidden, TenantNotFound."""
        if Scope.PLATFORM_ADMIN in self.scopes:
            return TenantId(tenant) if tenant else self.tenant
        own = self.require(Scope.TENANT_ADMIN)
        if tenant is not None and tenant != own:
            raise TenantNotFound
        return own

    def may_see(self, session: str) -> bool:
        """Whether this principal may know of the session."""
        return self.sessions is None or session in self.sessions
