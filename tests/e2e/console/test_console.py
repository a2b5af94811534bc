"""The console does its work in a real browser, against a whole gateway."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Dialog, Request, Route, expect

from tests.e2e.console.browser import (
    PASSWORD,
    House,
    Window,
    Windows,
    first_message,
    first_run,
    sign_in,
)
from tests.support.gateway import Gateway
from wa_api.demo.client import Rest
from wa_api.demo.process import served

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def owner(url: str) -> Rest:
    """The tenant's owner, over REST."""
    stranger = Rest(url)
    grant = {"grant_type": "password", "username": "owner", "password": PASSWORD}
    issued = await stranger.post("/auth/token", grant)
    await stranger.close()
    return Rest(url, issued["access_token"])


@pytest.mark.proves("OpenAPI, dashboard", "rest")
async def test_first_run_leads_to_a_message(place: Path, windows: Windows) -> None:
    """The printed link, one form, two clicks: the first message is there, and can be answered."""
    async with Gateway.start(place) as gateway:
        window = await windows.new()
        await first_run(window, gateway)
        await first_message(window)
        assert "one-time" not in window.page.url
        await window.write("Hello Maya")
        await window.has("Hello Maya", "delivered")
        await expect(window.page.locator("wa-phone").get_by_text("Hello Maya")).to_be_visible()
        await window.page.click("wa-phone .behave summary")
        await window.page.get_by_role("button", name="Read all").click()
        await window.has("Hello Maya", "read")


async def test_a_code_on_the_screen_links_a_number(house: House, windows: Windows) -> None:
    """What a camera would see is what a phone can scan; a refused link is told, then mended."""
    home = await house.home()
    window = await home.window(windows, "sessions")
    page = window.page
    await page.click("[data-act=create]")
    await page.fill("dialog [name=name]", "Sales")
    await page.click("dialog button.primary")
    await page.wait_for_selector("figure[data-qr]")
    window.refused = "/scan"
    async with page.expect_response(lambda answer: "/refuse" in answer.url):
        await page.click("[data-act=refuse]")
    await page.click("[data-act=scan]")
    await page.get_by_role("button", name="Try again").click()
    await page.wait_for_selector("figure[data-qr]")
    phone = await home.tenant.new_phone("Camera")
    await home.rest.post(f"/sandbox/phones/{phone['phone']}/scan", {"qr": await window.qr()})
    row = page.locator(".row", has_text="Sales")
    await expect(row.locator("[data-state=connected]")).to_be_visible()
    await expect(row).to_contain_text(f"+{phone['number']}")
    await page.click("[data-act=stop]")
    await expect(row.locator("[data-state=stopped]")).to_be_visible()
    await page.click("[data-act=start]")
    await expect(row.locator("[data-state=connected]")).to_be_visible()
    await page.click("[data-act=logout]")
    await page.click("dialog button.danger")
    await expect(row).to_contain_text("not linked")


@pytest.mark.proves("Pairing code", "websocket")
async def test_eight_characters_link_a_number_too(house: House, windows: Windows) -> None:
    """The pairing code that the page shows is typed on the virtual phone."""
    window = await (await house.home()).window(windows, "start")
    page = window.page
    await page.click("[data-act=sandbox]")
    await page.wait_for_selector("figure[data-qr]")
    await page.click("[data-act=take]")
    await page.click(".by-code summary")
    await expect(page.locator(".by-code input")).to_have_value(re.compile(r"\+999"))
    await page.click(".by-code form button")
    await page.click("[data-act=type-code]")
    await page.click("[data-act=to-chat]", timeout=60_000)


async def _two_numbers(window: Window, gateway: Gateway) -> tuple[str, str]:
    """Link two numbers of the sandbox; chats of each with the other."""
    await first_run(window, gateway)
    rest = await owner(gateway.url)
    found = []
    try:
        for name in ("Anna", "Bruno"):
            phone = await rest.post("/sandbox/phones", {"name": name})
            body = {"name": name, "network": "sandbox", "start": True}
            session = (await rest.post("/sessions", body))["id"]
            qr = await rest.get(f"/sessions/{session}/qr", wait=60)
            await rest.post(f"/sandbox/phones/{phone['phone']}/scan", {"qr": qr["qr"]})
            found.append((session, phone["number"]))
    finally:
        await rest.close()
    (anna, annas), (bruno, brunos) = found
    return (
        f"{gateway.url}/#/chat/{anna}/{brunos}%40s.whatsapp.net",
        f"{gateway.url}/#/chat/{bruno}/{annas}%40s.whatsapp.net",
    )


async def test_two_windows_on_two_workers_chat_and_lose_nothing_in_a_restart(
    place: Path, windows: Windows
) -> None:
    """Texts go both ways, markup is shown as text; a restart amid typing loses and doubles none."""
    settings = {"WA_HTTP_WORKERS": "2", "WA_SESSIONS_WORKERS": "1"}
    left, right = await windows.new(), await windows.new()
    left.refused = right.refused = "/chats/"  # an open chat has no row before its first message
    async with Gateway.start(place, **settings) as gateway:
        port = gateway.url.rpartition(":")[2]
        lefts, rights = await _two_numbers(left, gateway)
        await sign_in(right, gateway.url, "owner")
        await left.page.goto(lefts)
        await right.page.goto(rights)
        await _on_another_worker(left, right)
        await left.write("<img src=x onerror=alert(1)> \u202eolleh")
        await right.has("<img src=x onerror=alert(1)>")
        await right.write("👋 Olá")
        await left.has("👋 Olá")
        await left.has("<img src=x", "read")
        await left.write("just before")
    for number in range(3):
        await left.write(f"while it is down {number}")
    await expect(left.page.locator(".banner")).to_be_visible()
    await left.has("while it is down 2", "waiting")  # "just before" may have to wait, too
    async with served(place, {**settings, "WA_HTTP_PORT": port}):
        await right.has("while it is down 2")
        await left.has("while it is down 2", "read")
        await right.write("all came")
        await left.has("all came")
        await expect(left.page.locator(".banner")).to_be_hidden()
        wanted = ["just before", *(f"while it is down {n}" for n in range(3)), "all came"]
        for window in (left, right):
            assert (await window.texts())[2:] == wanted
        await left.page.reload()
        await left.has("all came")
        assert (await left.texts())[2:] == wanted


async def test_a_text_that_waits_outlives_a_reload_and_no_sign_out(
    place: Path, windows: Windows
) -> None:
    """Leaving the page is asked about; the text goes out once, or is gone with who wrote it."""
    window = await windows.new()
    page = window.page
    asked: list[str] = []

    async def leave(question: Dialog) -> None:
        asked.append(question.type)
        await question.accept()

    page.on("dialog", leave)
    async with Gateway.start(place) as gateway:
        chat, _ = await _two_numbers(window, gateway)
        await page.goto(chat)
        await window.write("first")
        await window.has("first", "delivered")
        await page.route("**/messages", lambda route: route.abort())
        await window.write("later")
        await expect(page.locator('.bubble[data-status="waiting"]')).to_have_count(1)
        await page.reload()
        assert asked == ["beforeunload"]
        await window.has("later", "waiting")
        await page.unroute("**/messages")
        await window.has("later", "delivered")
        assert (await window.texts())[-2:] == ["first", "later"]
        await page.route("**/messages", lambda route: route.abort())
        await window.write("never")
        await window.has("never", "waiting")
        kept = "Object.keys(sessionStorage).filter((key) => key.startsWith('wa.outbox'))"
        assert len(await page.evaluate(kept)) == 1
        window.refused = "/sandbox/phones/"  # the virtual phone may ask as the token is revoked
        await page.click(".account summary")
        await page.click("[data-act=sign-out]")
        await expect(page.locator("wa-signin")).to_be_visible()
        assert await page.evaluate(kept) == []


async def _on_another_worker(left: Window, right: Window) -> None:
    """Reconnect the second window until another process serves it."""
    script = "document.documentElement.dataset.worker"
    for _ in range(40):
        await expect(left.page.locator("html[data-worker]")).to_be_attached()
        await expect(right.page.locator("html[data-worker]")).to_be_attached()
        if await left.page.evaluate(script) != await right.page.evaluate(script):
            return
        await right.page.reload()
        await right.page.wait_for_timeout(100)
    raise AssertionError("both windows stay on one worker")


async def test_signing_out_and_being_thrown_out(house: House, windows: Windows) -> None:
    """Signing out revokes at the gateway; a revoked user's windows go to the sign-in at once."""
    home = await house.home()
    body = {"name": f"agent-{home.owner}", "password": PASSWORD, "role": "agent"}
    user = (await home.rest.post("/users", body))["id"]
    boss, agent = await home.window(windows), await windows.new()
    await sign_in(agent, house.url, body["name"])
    second = await windows.tab(agent.page.context)
    await second.page.goto(house.url)
    for window in (agent, second):
        await expect(window.page.locator("nav a")).to_have_count(3)  # sessions, chats, events
        await expect(window.page.locator("html[data-feed=live]")).to_be_attached()
    await home.rest.call("DELETE", f"/users/{user}")
    for window in (agent, second):
        await expect(window.page.locator("wa-signin")).to_be_visible()
    token = await boss.page.evaluate("JSON.parse(localStorage['wa.signins']).list[0].access")
    await boss.page.click(".account summary")

    async def late(route: Route) -> None:
        answer = await route.fetch()
        await asyncio.sleep(1)  # the socket is closed meanwhile, for its token was revoked
        await route.fulfill(response=answer)

    await boss.page.route("**/auth/revoke", late)
    await boss.page.click("[data-act=sign-out]")
    await expect(boss.page.locator("wa-signin")).to_be_visible()
    assert await boss.page.locator(".toast.bad").count() == 0, "nobody else ended it"
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{house.url}/v1/auth/me", headers=headers).status_code == 401


async def test_the_page_is_small_guarded_and_cached(house: House, windows: Windows) -> None:
    """Less than 100 kB for the first view; no inline code may ever run."""
    answer = httpx.get(f"{house.url}/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    known = {"If-None-Match": answer.headers["etag"]}
    assert httpx.get(f"{house.url}/", headers=known).status_code == 304
    assert httpx.get(f"{house.url}/console/..%2Froutes.py").status_code == 404
    window = await windows.new()
    requests: list[Request] = []
    window.page.on("requestfinished", lambda one: requests.append(one))
    await window.page.goto(house.url)
    await window.page.wait_for_selector("wa-signin form")
    ready = await window.page.evaluate("performance.now()")
    sizes = [await one.sizes() for one in requests]
    size = sum(one["responseBodySize"] + one["responseHeadersSize"] for one in sizes)
    print(f"first view: {len(sizes)} files, {size / 1000:.1f} kB, ready after {ready:.0f} ms")
    assert 10_000 < size < 100_000
    with pytest.raises(Exception, match="TrustedHTML"):
        await window.page.evaluate("document.body.innerHTML = '<b>x</b>'")
    window.wrong.clear()  # the browser reports what it has just refused


async def test_another_tenants_people_see_none_of_it(house: House, windows: Windows) -> None:
    """Not in any view, and not by the address of what they must not see."""
    home, other = await house.home(), await house.home()
    body = {"network": "sandbox", "name": "Secret sales"}
    session = (await home.rest.post("/sessions", body))["id"]
    window = await other.window(windows, "sessions")
    window.refused = session
    await expect(window.page.locator(".empty").first).to_contain_text("No sessions yet")
    await window.page.goto(f"{house.url}/#/chat/{session}")
    await expect(window.page.locator(".toast.bad")).to_contain_text("not there any more")
    for view, wanted in (("chat", "select"), ("access", "wa-audit tbody tr"), ("events", ".tools")):
        await window.page.goto(f"{house.url}/#/{view}")
        await expect(window.page.locator(f"main {wanted}").first).to_be_visible()
        await expect(window.page.locator("main")).not_to_contain_text("Secret sales")
