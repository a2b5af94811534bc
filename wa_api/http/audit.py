"""The audit trail."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from wa_api.domain.errors import TenantNotFound
from wa_api.http.answers import Page, page
from wa_api.http.bodies import Id, Limit, TenantQuery
from wa_api.http.routes import Access, Resource
from wa_api.http.types import Request, caller, services
from wa_api.services.audit import AuditEntry

audit = Resource("audit", "Who changed users, keys, tenants, sessions, webhooks and the fleet.")

Action = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[a-z_]+\.([a-z_]+|\*)$",
        description="A name such as `user.created`, or a family: `user.*`.",
    ),
]
AuditPage = Page[AuditEntry]


class AuditQuery(TenantQuery):
    """Newest first, going back from `before`; perhaps only one action, caller or target."""

    before: Id | None = None
    action: Action | None = None
    subject: Id | None = None
    target: Id | None = None
    limit: Limit = 50


@audit.get(
    "/audit", scope=Access.ANY, query=AuditQuery, returns=AuditPage, errors=(TenantNotFound,)
)
async def entries(request: Request, query: AuditQuery) -> Page[AuditEntry]:
    """List what was changed, by whom and from where, newest first.

    Needs `tenant:admin`, or a platform administrator: of the platform, or of the named tenant.
    """
    found = await services(request).audit.page(
        caller(request),
        query.tenant,
        before=query.before,
        action=query.action,
        subject=query.subject,
        target=query.target,
        limit=query.limit,
    )
    return page(found, query.limit)
