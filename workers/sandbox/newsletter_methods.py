"""Control methods of newsletters: what a person does with them on the phone."""

from __future__ import annotations

import secrets
from typing import Any

from workers.sandbox import content, newsletter_queries
from workers.sandbox import params as p
from workers.sandbox.errors import Conflict, NotFound
from workers.sandbox.finding import Finder
from workers.sandbox.handlers import Table
from workers.sandbox.network import Network
from workers.sandbox.newsletters import Newsletter
from workers.sandbox.wire import Jid


class NewsletterMethods:
    """`newsletter.*`."""

    def __init__(self, network: Network, finder: Finder) -> None:
        """`finder` knows what is whose."""
        self._network, self._find = network, finder
        self.table: Table = {
            "newsletter.create": (p.CreateNewsletter, self._create),
            "newsletter.publish": (p.Publish, self._publish),
            "newsletter.react": (p.React, self._react),
            "newsletter.get": (p.OneNewsletter, self._get),
        }

    def _found(self, given: p.OneNewsletter) -> Newsletter:
        found = self._network.newsletters.find(Jid.parse(given.newsletter))
        if found is None or found.tenant != given.tenant:
            raise NotFound("there is no such newsletter")
        return found

    async def _create(self, given: p.CreateNewsletter) -> dict[str, Any]:
        account = self._find.online_phone(given).account
        made = self._network.newsletters.create(account, given.name, given.description)
        return {"newsletter": str(made.jid), "invite": made.invite}

    async def _publish(self, given: p.Publish) -> dict[str, Any]:
        account, one = self._find.online_phone(given).account, self._found(given)
        if account.id != one.owner:
            raise Conflict("the newsletter is somebody else's")
        id = "3A" + secrets.token_hex(9).upper()
        body = content.text(given.text).SerializeToString()
        post = newsletter_queries.publish(self._network, one, id, "text", body)
        return {"id": id, "server_id": post.number}

    async def _react(self, given: p.React) -> dict[str, Any]:
        account, one = self._find.online_phone(given).account, self._found(given)
        post = one.find(given.server_id)
        if post is None:
            raise NotFound("there is no such message")
        newsletter_queries.react(self._network, account, one, post, given.emoji)
        return {}

    async def _get(self, given: p.OneNewsletter) -> dict[str, Any]:
        self._find.phone(given)
        one = self._found(given)
        posts = [
            {
                "server_id": post.number,
                "message": content.render(post.body),
                "views": post.views,
                "reactions": post.counts(),
            }
            for post in one.posts
        ]
        return {"newsletter": str(one.jid), "followers": len(one.followers), "posts": posts}
