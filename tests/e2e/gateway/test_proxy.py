"""Sessions with proxies of their own: nothing goes around them, and what is wrong is said."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
import pytest_asyncio

from tests.support.gateway import Gateway, Linked, Tenant
from tests.support.proxies import forward_proxy
from tests.support.samples import picture
from wa_api.demo.client import Feed, Json, Refused

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

FEATURE = "Proxy per session"
LIMIT = 30
SECRET = "pa55-w0rd-of-the-proxy"
PICTURE = b64encode(picture()).decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway whose sessions may have proxies on this machine."""
    async with Gateway.own(WA_SESSIONS_ALLOW_PRIVATE="127.0.0.1") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(gateway: Gateway) -> Tenant:
    """A tenant of each test's own."""
    return await gateway.tenant()


def networks(data: Path) -> str:
    """Where the sandbox's own proxy is."""
    [file] = data.rglob("network.json")
    told = orjson.loads(file.read_bytes())
    return urlsplit(told["proxy_url"]).netloc


def holds(data: Path, secret: bytes) -> bool:
    """Whether any file of the gateway's, the database for one, has it in the clear."""
    files = [file for file in data.rglob("*") if file.is_file()]
    assert any("sqlite" in file.name for file in files)
    return any(secret in file.read_bytes() for file in files)


async def state(feed: Feed, session: str, state: str, reason: str, seen: int = 0) -> Json:
    """Wait for a session to enter a state, later than `seen` events; what is told of it."""
    async with asyncio.timeout(LIMIT):
        while True:
            for one in feed.seen[seen:]:
                event = one.event
                if event["type"] == "session.state_changed" and event["session"] == session:
                    data: Json = event["data"]
                    if (data["state"], data["reason"]) == (state, reason):
                        return data
            await asyncio.sleep(0.05)


async def talk(tenant: Tenant, feed: Feed, linked: Linked) -> None:
    """A message goes out and one with a file comes in, which is fetched."""
    friend = await tenant.new_phone("Friend")
    body = {"to": friend["number"], "type": "text", "text": {"body": "Hello"}}
    sent = await tenant.rest.post(f"/sessions/{linked.session}/messages", body, wait=LIMIT)
    assert sent["status"] in ("sent", "delivered")
    form = {"to": linked.number, "media": {"kind": "image", "data": PICTURE}}
    await tenant.rest.post(f"/sandbox/phones/{friend['phone']}/send", form)
    await feed.event("message.media_stored", linked.session, LIMIT)


@pytest.mark.proves(FEATURE, "rest")
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_everything_goes_through_the_sessions_proxy(
    tenant: Tenant, gateway: Gateway, scheme: str
) -> None:
    """The connection, and files; the proxy is asked for the network's own. Its password is not
    shown, and not in the database; other sessions do not take it.
    """
    async with forward_proxy(scheme, f"me:{SECRET}") as proxy, tenant.feed() as feed:
        linked = await tenant.link_session(feed, proxy=proxy.url())
        connections = len(proxy.asked)
        assert connections > 0
        await talk(tenant, feed, linked)
        assert len(proxy.asked) > connections
        assert set(proxy.asked) == {networks(gateway.served.data)}

        shown = await tenant.rest.get(f"/sessions/{linked.session}")
        assert shown["proxy"] == f"{scheme}://***@127.0.0.1:{proxy.port}"
        page = await tenant.rest.get("/events", limit=1000)
        trail = await tenant.rest.get("/audit")
        assert SECRET not in str([shown, page, trail])
        assert not holds(gateway.served.data, SECRET.encode())

        passed = len(proxy.asked)
        await talk(tenant, feed, await tenant.link_session(feed))
        assert len(proxy.asked) == passed


@pytest.mark.proves(FEATURE, "rest")
async def test_a_bad_proxy_is_said_and_a_good_one_takes_its_place(tenant: Tenant) -> None:
    """Wrong credentials before pairing; a right URL, and the session pairs. No answer on a linked
    one; without a proxy it is connected directly.
    """
    async with forward_proxy("http", f"me:{SECRET}") as proxy, tenant.feed() as feed:
        body = {"network": "sandbox", "start": True, "proxy": proxy.url("me:wrong")}
        session = (await tenant.rest.post("/sessions", body))["id"]
        told = await state(feed, session, "starting", "proxy_failed")
        assert told["detail"] == "The proxy refuses the user name or password."
        await tenant.rest.call("PATCH", f"/sessions/{session}", {"proxy": proxy.url()})
        await feed.event("session.qr_issued", session, LIMIT)

        linked = await tenant.link_session(feed, proxy=proxy.url())
        async with forward_proxy() as gone:
            closed = gone.url()
        seen = len(feed.seen)
        path = f"/sessions/{linked.session}"
        await tenant.rest.call("PATCH", path, {"proxy": closed})
        told = await state(feed, linked.session, "starting", "proxy_failed", seen)
        assert told["detail"] == "The connection to the proxy failed."
        shown = await tenant.rest.get(path)
        assert (shown["state"], shown["reason"]) == ("starting", "proxy_failed")

        seen, passed = len(feed.seen), len(proxy.asked)
        changed = await tenant.rest.call("PATCH", path, {"proxy": ""})
        assert "proxy" not in changed
        await state(feed, linked.session, "connected", "restored", seen)
        await talk(tenant, feed, linked)
        assert len(proxy.asked) == passed


@pytest.mark.proves(FEATURE, "rest")
async def test_a_proxy_that_fails_for_a_while_is_tried_again(tenant: Tenant) -> None:
    """The connection is lost, and why it does not come back is told; then it does."""
    async with forward_proxy() as proxy, tenant.feed() as feed:
        linked = await tenant.link_session(feed, proxy=proxy.url())
        seen = len(feed.seen)
        proxy.refuse = 503
        proxy.cut()
        await state(feed, linked.session, "reconnecting", "connection_lost", seen)
        told = await state(feed, linked.session, "starting", "proxy_failed", seen)
        assert told["detail"] == "The proxy refuses to connect (it answered 503)."
        seen, proxy.refuse = len(feed.seen), 0
        await state(feed, linked.session, "connected", "restored", seen)
        await talk(tenant, feed, linked)


@pytest.mark.proves(FEATURE, "rest")
@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1:1", "http://", "http://10.0.0.1:3128", f"http://:{SECRET}@h:1", "nonsense"],
)
async def test_what_is_no_proxy_is_refused(tenant: Tenant, url: str) -> None:
    """With a code, without repeating it; an address inside is none either."""
    for method, path in (("POST", "/sessions"), ("PATCH", None)):
        made = await tenant.rest.post("/sessions", {"network": "sandbox"})
        with pytest.raises(Refused) as refused:
            await tenant.rest.call(method, path or f"/sessions/{made['id']}", {"proxy": url})
        assert refused.value.problem["code"] == "invalid_proxy"
        assert SECRET not in str(refused.value.problem)
