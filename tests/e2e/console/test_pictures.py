"""Every view, light and dark, wide and narrow, in each language: nothing is cut off.

With `WA_PICTURES=docs/console` the pictures of the documentation are made anew.
"""

from __future__ import annotations

import asyncio
import io
import os
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import expect

from tests.e2e.console.browser import Home, House, Window, Windows, first_message, sign_in

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="session"),
]

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": WIDE, "locale": "en-US"},
    "dark": {"color_scheme": "dark", "viewport": WIDE, "locale": "en-US"},
    "phone-light": {"color_scheme": "light", "viewport": NARROW, "locale": "en-US"},
    "phone-dark": {"color_scheme": "dark", "viewport": NARROW, "locale": "en-US"},
    "phone-pt": {"color_scheme": "light", "viewport": NARROW, "locale": "pt-BR"},
    "phone-es": {"color_scheme": "light", "viewport": NARROW, "locale": "es-AR"},
}
OWNER = {
    "sessions": ".row",
    "chat": ".chats a",
    "events": ".head",
    "webhooks": ".row",
    "access": "wa-audit tbody tr",
}
ADMIN = {"tenants": ".row", "fleet": ".chart .line-0", "start": "form"}
#: What opens each view's dialogues.
DIALOGS = {
    "sessions": ["[data-act=create]", "[data-act=link]", "[data-act=settings]"],
    "chat": ["[data-act=new-chat]"],
    "webhooks": ["[data-act=new-webhook]"],
    "access": ["[data-act=new-user]", "[data-act=new-key]"],
    "tenants": ["[data-act=new-tenant]"],
    "fleet": ["[data-act=owned]"],
}


async def _fits(window: Window, name: str, look: str) -> None:
    """Nothing reaches beyond the window's edge, and everybody can use it; perhaps keep a picture."""
    page = window.page
    if look in ("light", "dark", "phone-light"):
        await window.accessible(f"{name} {look}")
    wide = await page.evaluate(
        """() => [...document.querySelectorAll("wa-app *, dialog *")].filter((one) => {
          const box = one.getBoundingClientRect();
          return box.width && box.right > innerWidth + 1 && !one.closest(".table, .unseen");
        }).map((one) => `${one.localName}.${one.className} ${one.textContent.slice(0, 40)}`)"""
    )
    assert wide == [], (name, look, wide)
    cut = await page.evaluate(
        """() => [...document.querySelectorAll("nav a span")]
          .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"""
    )
    assert cut == [], (name, look, cut)
    target = os.environ.get("WA_PICTURES")
    if target and look.rpartition("-")[2] in ("light", "dark"):
        picture = Image.open(io.BytesIO(await page.screenshot()))
        picture.convert("RGB").quantize(128).save(f"{target}/{name}-{look}.png", optimize=True)


async def _views(windows: Windows, url: str, kept: Any, views: dict[str, str], look: str) -> None:
    window = await windows.new(**LOOKS[look], storage_state=kept)
    page = window.page
    for name, wanted in views.items():
        await page.goto(f"{url}/#/{name}")
        await expect(page.locator(f"main {wanted}").first).to_be_visible()
        await _fits(window, name, look)
        await _dialogs(window, name, look)
        if name == "webhooks":
            await page.locator(wanted).get_by_role("button").click()
            await expect(page.locator("tr[data-delivered]").first).to_be_visible()
            await _fits(window, "webhook", look)
        if name == "chat":
            await page.locator(wanted).first.click()
            await expect(page.locator(".messages .bubble.in")).to_have_count(2)
            await expect(page.locator("[data-act=phone]")).to_be_visible()
            await page.wait_for_timeout(700)  # only for the picture: the phone shows its messages
            await _fits(window, "messages", look)
    await window.page.context.close()


async def _dialogs(window: Window, view: str, look: str) -> None:
    page = window.page
    for opener in DIALOGS.get(view, ()):
        await page.locator(opener).first.click()
        await expect(page.locator("dialog[open]")).to_be_visible()
        name = opener.removeprefix("[data-act=").removesuffix("]")
        if name == "link":
            await expect(page.locator("figure.qr img")).to_be_visible()
        await _fits(window, name, look)
        await page.keyboard.press("Escape")
        await expect(page.locator("dialog[open]")).to_have_count(0)


async def _content(window: Window) -> None:
    """Something to see: a chat, and a number that waits to be linked."""
    await window.write("Thank you, Maya. Your order 4711 leaves today.")
    await window.has("leaves today", "delivered")
    await window.page.fill("wa-phone [name=text]", "Wonderful! <b>Thanks</b> a lot.")
    await window.page.press("wa-phone [name=text]", "Enter")
    await expect(window.page.locator(".messages .bubble.in")).to_have_count(2)
    await window.page.evaluate("location.hash = '#/sessions'")
    await window.page.click("[data-act=create]")
    await window.page.fill("dialog [name=name]", "Support")
    await window.page.click("dialog button.primary")
    await expect(window.page.locator("figure.qr img")).to_be_visible()


async def _webhook(home: Home) -> None:
    """One whose endpoint is not there, so that events are tried and given up."""
    body = {"name": "Orders", "url": "http://127.0.0.1:9/hook", "types": ["message.*"]}
    await home.rest.post("/webhooks", body)


async def test_every_view_fits_its_window(house: House, windows: Windows) -> None:
    """Two widths, two schemes, three languages: nothing is cut off and no text is missing."""
    home = await house.home()
    window = await home.window(windows, "start")
    await first_message(window)
    await _webhook(home)
    await _content(window)
    owner = await window.page.context.storage_state()
    other = await windows.new()
    await sign_in(other, house.url, await house.administrator())
    admin = await other.page.context.storage_state()
    for look, options in LOOKS.items():
        stranger = await windows.new(**options)
        await stranger.page.goto(house.url)
        await expect(stranger.page.locator("wa-signin form").first).to_be_visible()
        await _fits(stranger, "sign-in", look)
        await _views(windows, house.url, owner, OWNER, look)
    # All at once: each waits some seconds until its charts have a line.
    await asyncio.gather(*(_views(windows, house.url, admin, ADMIN, look) for look in LOOKS))
