"""Webhooks, the fleet and the audit trail, operated from a browser."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.e2e.console.browser import House, Windows, sign_in
from tests.e2e.webhooks.receivers import Request, answer, receiver

_DRAWN = re.compile(r"^M.*L")

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def _secret(page: Page) -> str:
    """What the dialogue shows once; it is closed."""
    secret = await page.locator("dialog output.secret").inner_text()
    await page.click("dialog button.primary")
    return secret


async def test_a_webhook_from_its_making_to_its_dead_letters(
    house: House, windows: Windows
) -> None:
    """Made, tested, failing, given up, tried again; the secret is shown twice and differs."""
    home = await house.home()
    status = 204

    async def as_told(_: Request) -> bytes:
        return answer(status, body=b"" if status == 204 else b"<b>no</b>")

    async with receiver(as_told) as endpoint:
        window = await home.window(windows, "webhooks")
        page = window.page
        await page.click("[data-act=new-webhook]")
        await page.fill("dialog [name=url]", endpoint.url)
        await page.fill("dialog [name=name]", "Orders")
        await page.fill("dialog [name=types]", "session.*")
        await page.click("dialog summary")
        await page.fill("dialog [name=headers]", "X-Api-Key: hidden")
        await page.click("dialog button.primary")
        first = await _secret(page)
        await page.click("[data-act=test]")
        await expect(page.locator(".toast.good")).to_contain_text("Delivered: 204")
        assert endpoint.requests[-1].headers["x-api-key"] == "hidden"
        status = 500
        await home.rest.post("/sessions", {"network": "sandbox", "name": "Sales", "start": True})
        await expect(page.locator("tr[data-delivered=false]").first).to_contain_text("<b>no</b>")
        letters = page.locator(".rows [data-act=redrive]")
        await expect(letters.first).to_be_visible()
        status = 204
        await page.locator("header [data-act=redrive]").click()
        await expect(letters).to_have_count(0)
        await page.click("[data-act=rotate]")
        await page.click("dialog button.danger")
        assert first.startswith("whsec_")
        assert await _secret(page) != first
        await page.click("[data-act=pause]")
        await expect(page.locator("[data-state=paused]")).to_be_visible()
        await page.click("[data-act=resume]")
        await expect(page.locator("[data-state=enabled]")).to_be_visible()
        await page.click("[data-act=delete]")
        await page.click("dialog button.danger")
        await expect(page.locator(".empty")).to_contain_text("No webhooks yet")


async def test_a_sessions_settings_are_changed(house: House, windows: Windows) -> None:
    """What is shown is changed, what is not shown stays, and what is wrong is said."""
    home = await house.home()
    kept = {"media": {"kinds": ["image"], "max_bytes": 1000}, "show_online": False}
    made = await home.rest.post("/sessions", {"network": "sandbox", "settings": kept})
    window = await home.window(windows, "sessions")
    page = window.page
    window.refused = f"/sessions/{made['id']}"
    await page.click("[data-act=settings]")
    await page.fill("dialog [name=name]", "Sales")
    await page.check("dialog [name=group]")
    await page.fill("dialog [name=chats]", "+5511999999999")
    await page.fill("dialog [name=metadata]", "crm.id: 42\nteam: <b>: one")
    await page.click("dialog summary")
    await page.check("dialog [name=reject_calls]")
    await page.fill("dialog [name=proxy]", "ftp://127.0.0.1")
    await page.click("dialog button.primary")
    await expect(page.locator(".toast.bad")).to_be_visible()
    await page.fill("dialog [name=proxy]", "")
    await page.click("dialog button.primary")
    await expect(page.locator("dialog")).to_have_count(0)
    await expect(page.locator(".row strong")).to_have_text("Sales")
    session = await home.rest.get(f"/sessions/{made['id']}")
    ignore = {"kinds": ["group"], "chats": ["5511999999999@s.whatsapp.net"]}
    assert session["settings"] == {**kept, "reject_calls": True, "ignore": ignore}
    assert session["metadata"] == {"crm.id": "42", "team": "<b>: one"}
    assert "proxy" not in session


async def test_administrators_see_the_fleet_and_move_a_session(
    house: House, windows: Windows
) -> None:
    """Figures become lines, and a session that is moved is run by the other worker."""
    home = await house.home()
    linked = await home.number("Moving")
    window = await windows.new()
    await sign_in(window, house.url, await house.administrator())
    page = window.page
    await page.goto(f"{house.url}/#/fleet")
    await expect(page.locator(".chart svg[role=img]")).to_have_count(4)
    await expect(page.locator(".chart .line-0").first).to_have_attribute("d", _DRAWN)
    before = (await home.rest.get(f"/sessions/{linked.session}"))["worker"]
    await page.click(f"tr[data-worker={before}] [data-act=owned]")
    await page.click(f"[data-session={linked.session}] [data-act=move]")
    await page.click("dialog button.danger")
    await expect(page.locator(".toast")).to_be_visible()
    await page.keyboard.press("Escape")
    for _ in range(100):
        now = await home.rest.get(f"/sessions/{linked.session}")
        if now["state"] == "connected" and now["worker"] != before:
            break
        await page.wait_for_timeout(100)
    else:
        raise AssertionError("it was not moved")


async def test_the_trail_says_who_did_what(house: House, windows: Windows) -> None:
    """A key is made and revoked in the page; both are in the trail, by name."""
    home = await house.home()
    window = await home.window(windows, "access")
    page = window.page
    await page.click("[data-act=new-key]")
    await page.fill("dialog [name=name]", "<i>bot</i>")
    await page.click("dialog button.primary")
    assert (await _secret(page)).startswith("wa_")
    made = page.locator("tr[data-action='api_key.created']").first
    await expect(made).to_contain_text("<i>bot</i>")
    await expect(made).to_contain_text(home.owner)
    await expect(made).to_contain_text("127.0.0.1")
    await page.locator(".row", has_text="<i>bot</i>").get_by_role("button").click()
    await page.click("dialog button.danger")
    await expect(page.locator("tr[data-action='api_key.revoked']")).to_be_visible()
    await page.locator("wa-audit select").select_option("user.*")
    await expect(page.locator("tr[data-action^=api_key]")).to_have_count(0)
    await expect(page.locator("tr[data-action='user.created']")).to_be_visible()


async def test_a_sessions_proxy_is_shown_without_its_secrets(
    house: House, windows: Windows
) -> None:
    """In the list of sessions, beside the network."""
    home = await house.home()
    body = {"network": "sandbox", "proxy": "socks5://me:hidden@proxy.example:1080"}
    await home.rest.post("/sessions", body)
    window = await home.window(windows, "sessions")
    row = window.page.locator("li.row").first
    await expect(row).to_contain_text("through socks5://***@proxy.example:1080")
    await expect(row).not_to_contain_text("hidden")
