"""The examples for browsers, in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from tests.chaos.wires import Proxy
from tests.e2e.api.conftest import Gateway, Tenant
from tests.e2e.api.owner import Owner
from tests.e2e.api.test_clients import example
from tests.e2e.console.browser import checked, chromium, until_true

pytestmark = pytest.mark.e2e


@pytest.fixture
async def proxy(gateway: Gateway) -> AsyncIterator[Proxy]:
    """A way to the gateway that can be cut."""
    one = Proxy("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    await one.start()
    yield one
    await one.close()


@pytest.fixture
async def page(proxy: Proxy) -> AsyncIterator[Page]:
    """A page of the gateway's own origin."""
    async with chromium() as browser, checked(browser) as windows:
        window = await windows.new()
        await window.page.goto(f"http://127.0.0.1:{proxy.port}/docs")
        yield window.page


async def _until(page: Page, count: int) -> list[str]:
    await until_true(page, f"got.length >= {count}")
    got: list[str] = await page.evaluate("got")
    return got


async def test_the_example_follows_and_resumes_in_a_browser(
    proxy: Proxy, page: Page, tenant: Tenant, owner: Owner
) -> None:
    """Each event once, in order, though the network fails in between."""
    [before] = await owner.say_many(1)
    start = "window.got = []; follow(url, token, (event) => got.push(event.id), cursor);"
    url = f"ws://127.0.0.1:{proxy.port}/v1/ws"
    given = {"url": url, "token": tenant.key, "cursor": before}
    script = f"({{ url, token, cursor }}) => {{ {example('js', 'function follow')} {start} }}"
    await page.evaluate(script, given)
    said = await owner.say_many(3)
    assert await _until(page, 3) == said
    proxy.drop()
    said += await owner.say_many(3)
    assert await _until(page, 6) == said


async def test_a_browsers_event_source_resumes_by_itself(
    proxy: Proxy, page: Page, tenant: Tenant, owner: Owner
) -> None:
    """With `Last-Event-ID`, which browsers send when they come back."""
    shown = "window.got = []; const show = (event) => got.push(event.id); const reload = () => {};"
    script = f"(token) => {{ {shown} {example('js', 'EventSource')} window.source = source; }}"
    await page.evaluate(script, tenant.key)
    await until_true(page, "source.readyState === 1")
    said: list[str] = []
    while not await page.evaluate("got.length"):  # from when it follows, nothing is missed
        said.append(await owner.say_typing())
    got = await page.evaluate("got")
    said = said[said.index(got[0]) :]
    proxy.drop()
    said += await owner.say_many(3)
    assert await _until(page, len(said)) == said
