"""A browser that notices everything the console must not do."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import zxingcpp
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.demo.client import Rest

PASSWORD = "correct horse battery staple"
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]

_AXE = (files("axe_playwright_python") / "axe.min.js").read_text()

expect.set_options(timeout=60_000)


async def until_true(page: Page, expression: str) -> None:
    """Ask a page until an expression holds.

    `Page.wait_for_function` evaluates inside the page whatever was not true at once, which our
    Content-Security-Policy forbids.
    """
    async with asyncio.timeout(60):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.05)


@dataclass
class Window:
    """A page, and what went wrong in it."""

    page: Page
    wrong: list[str] = field(default_factory=list)
    refused: str = "nothing"  # part of the address of calls that the test lets fail

    def watch(self) -> None:
        """Collect what the browser's console says, and errors of scripts."""
        self.page.on("console", lambda said: self._said(said))
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))

    def _said(self, said: Any) -> None:
        # While the server restarts, a browser reports each refused connection by itself.
        expected = "net::ERR_" in said.text or "WebSocket connection" in said.text
        expected = expected or self.refused in said.location["url"]
        if said.type in ("error", "warning") and not expected:
            self.wrong.append(f"{said.type}: {said.text} {said.location}")

    async def qr(self) -> str:
        """The code on the screen, decoded from a picture of the screen."""
        await expect(self.page.locator("figure.qr img")).to_be_visible()
        picture = Image.open(io.BytesIO(await self.page.screenshot()))
        found = zxingcpp.read_barcodes(picture)
        assert len(found) == 1, "exactly one QR code can be read on the screen"
        return str(found[0].text)

    async def accessible(self, name: str) -> None:
        """Note what axe-core finds wrong with the page as it is: that is a complaint too."""
        await self.page.evaluate(_AXE)
        found = await self.page.evaluate("axe.run({ resultTypes: ['violations'] })")
        self.wrong += [
            f"{name}: {one['id']}: {node['target']} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    async def write(self, text: str) -> None:
        """Write into the open chat."""
        await self.page.fill(".composer textarea", text)
        await self.page.press(".composer textarea", "Enter")

    async def texts(self) -> list[str]:
        """The open chat's messages, as they are shown."""
        return await self.page.locator(".messages .bubble .text").all_inner_texts()

    async def has(self, text: str, status: str | None = None) -> None:
        """Wait until the open chat shows a text, perhaps with a status."""
        which = f'.bubble[data-status="{status}"]' if status else ".bubble"
        await expect(self.page.locator(f".messages {which}").get_by_text(text)).to_be_visible()


@dataclass
class Windows:
    """A browser whose windows do not share a sign-in."""

    browser: Browser
    opened: list[Window] = field(default_factory=list)

    async def new(self, **options: Any) -> Window:
        """A window of somebody else."""
        usual = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}}
        context = await self.browser.new_context(**{**usual, **options})
        context.set_default_timeout(60_000)
        return await self.tab(context)

    async def tab(self, context: BrowserContext) -> Window:
        """Another tab of somebody."""
        window = Window(await context.new_page())
        window.watch()
        self.opened.append(window)
        return window


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser without windows."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=_ARGUMENTS
        )
        try:
            yield started
        finally:
            await started.close()


@asynccontextmanager
async def checked(browser: Browser) -> AsyncIterator[Windows]:
    """Windows that are closed in the end; when the block ends well, none may have complained."""
    windows = Windows(browser)
    try:
        yield windows
        wrong = [line for window in windows.opened for line in window.wrong]
        assert wrong == [], wrong
    finally:
        for window in windows.opened:
            await window.page.context.close()


@dataclass
class Home:
    """A tenant of the shared gateway, and the name of its owner, who signs in by password."""

    tenant: Tenant
    owner: str

    @property
    def rest(self) -> Rest:
        """An API key with all the tenant's rights."""
        return self.tenant.rest

    async def window(self, windows: Windows, view: str = "", **options: Any) -> Window:
        """The owner's window at a view, such as `sessions`."""
        window = await windows.new(**options)
        await sign_in(window, self.tenant.url, self.owner)
        if view:
            await window.page.goto(f"{self.tenant.url}/#/{view}")
        return window

    async def number(self, name: str) -> Linked:
        """A linked session of the sandbox."""
        async with self.tenant.feed() as feed:
            linked = await self.tenant.link_session(feed)
        await self.rest.call("PATCH", f"/sessions/{linked.session}", {"name": name})
        return linked


@dataclass
class House:
    """The gateway that tests share."""

    gateway: Gateway
    _homes: int = 0

    @property
    def url(self) -> str:
        """Where it serves."""
        return self.gateway.url

    async def home(self) -> Home:
        """A new tenant with an owner."""
        self._homes += 1
        owner = f"owner-{self._homes}"
        tenant = await self.gateway.tenant(f"Tenant {self._homes}")
        body = {"name": owner, "password": PASSWORD, "role": "owner"}
        await tenant.rest.post("/users", body)
        return Home(tenant, owner)

    async def administrator(self) -> str:
        """Name of somebody who administers the platform."""
        admin = await self.gateway.admin()
        if all(one["name"] != "admin" for one in (await admin.get("/users"))["items"]):
            await admin.post("/users", {"name": "admin", "password": PASSWORD, "role": "admin"})
        return "admin"


async def sign_in(window: Window, url: str, name: str) -> None:
    """With name and password."""
    await window.page.goto(url)
    await window.page.fill("[name=username]", name)
    await window.page.fill("[name=password]", PASSWORD)
    await window.page.click("wa-signin form button.primary >> nth=0")
    await expect(window.page.locator("wa-app > nav")).to_be_visible()


async def first_run(window: Window, gateway: Gateway) -> None:
    """Follow the link that `serve` printed, up to the step that links a number."""
    await window.page.goto(f"{gateway.url}/#one-time={gateway.served.token}")
    await window.page.fill("wa-start [name=new-password]", PASSWORD)
    await window.page.click("wa-start button.primary")
    await expect(window.page.locator("[data-act=sandbox]")).to_be_visible()


async def first_message(window: Window) -> None:
    """Two clicks: a number of the sandbox, and the scan; then the message and its chat."""
    await window.page.click("[data-act=sandbox]")
    await window.page.click("[data-act=scan]")
    await window.page.click("[data-act=to-chat]", timeout=60_000)
    await expect(window.page.locator(".messages .bubble.in")).to_have_count(1)
