"""Ten thousand chats and a hundred thousand messages: few elements, no holes, both directions."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.async_api import Page, expect

from tests.e2e.console.browser import House, Windows
from wa_api.domain.ids import new_id

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

CHATS, MESSAGES = 10_000, 100_000
BUSY = "99900000000@s.whatsapp.net"


def _insert(database: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    names = ", ".join(rows[0])
    marks = ", ".join(f":{name}" for name in rows[0])
    database.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def _fill(data: Path, tenant: str, session: str) -> None:
    """Write a busy session's chats and messages as a long history would have left them."""
    begin = int(time.time() * 1000) - 400_000_000
    of = {"tenant": tenant, "session": session}
    messages, chats = [], {}
    for number, id in enumerate(sorted(new_id("msg") for _ in range(CHATS + MESSAGES))):
        chat = BUSY if number >= CHATS else f"999{number:08d}@s.whatsapp.net"
        body = f"message {number - CHATS}" if chat == BUSY else f"hello {number}"
        if number % 7 == 0:
            body += ", and more of it" * (number % 60)
        at = begin + number * 3000
        message = {"id": id, "direction": "in", "chat": chat, "sender": chat, "type": "text"}
        message |= {"content": orjson.dumps({"type": "text", "body": body}).decode()}
        message |= {"status": "received", "time": at, "accepted_at": at, "source": "live"}
        messages.append(
            {**of, **message, "wa_id": f"WA{number}", "text": body if "54321" in body else None}
        )
        listed = {"chat": chat, "kind": "direct", "last_message": id, "last_at": at}
        flags = dict.fromkeys(("unread", "marked_unread", "archived", "pinned"), 0)
        chats[chat] = {**of, **listed, **flags}
    with closing(sqlite3.connect(next(data.rglob("*.sqlite3")), timeout=30)) as database:
        _insert(database, "messages", messages)
        _insert(database, "chats", list(chats.values()))
        database.commit()


_ELEMENTS = "document.querySelectorAll('wa-app *').length"
_NUMBERS = """() => [...document.querySelectorAll('.messages .text')]
    .map((one) => Number(/^message (\\d+)/.exec(one.textContent)[1]))"""


async def _scroll(page: Page, box: str, pixels: int, times: int) -> int:
    """Turn the wheel over a box; the most elements that the page had meanwhile."""
    most = 0
    await page.hover(box)
    for _ in range(times):
        await page.mouse.wheel(0, pixels)
        await page.evaluate("new Promise(requestAnimationFrame)")
        most = max(most, await page.evaluate(_ELEMENTS))
        numbers = await page.evaluate(_NUMBERS)
        first = numbers[0] if numbers else 0
        assert numbers == list(range(first, first + len(numbers))), "a hole, or a repeat"
    return most


async def _scroll_until(
    page: Page, box: str, pixels: int, there: Callable[[], Awaitable[bool]]
) -> int:
    """Turn the wheel until it shows what is wanted; the most elements that the page had meanwhile."""
    most = 0
    async with asyncio.timeout(60):
        while not await there():
            most = max(most, await _scroll(page, box, pixels, 10))
    return most


async def test_a_hundred_thousand_messages_scroll_with_few_elements(
    house: House, windows: Windows
) -> None:
    """Going back and forth, what is shown has no hole and the page stays small."""
    home = await house.home()
    session = (await home.rest.post("/sessions", {"network": "sandbox"}))["id"]
    _fill(house.gateway.served.data, home.tenant.id, session)
    window = await home.window(windows, f"chat/{session}/{BUSY.replace('@', '%40')}")
    page = window.page
    await window.has("message 99999")

    async def number(place: int) -> int:
        return int((await page.evaluate(_NUMBERS))[place])

    async def last_chat() -> int:
        return int(await page.locator(".chats li").last.get_attribute("aria-posinset") or 0)

    async def older() -> bool:
        return await number(0) < MESSAGES - 2500  # more was read, and the newest let go

    async def newest() -> bool:
        return await number(-1) == MESSAGES - 1

    async def further() -> bool:
        return await last_chat() > 2000

    back = await _scroll_until(page, ".stage .scroll", -6000, older)
    forth = await _scroll_until(page, ".stage .scroll", 8000, newest)
    chats = await _scroll_until(page, ".left .scroll", 9000, further)
    print(f"elements at most: {back} going back, {forth} forth, {chats} in the chats")
    assert max(back, forth, chats) < 1200
    await _scroll(page, ".stage .scroll", -6000, 15)
    await page.click("button.down")
    await window.has("message 99999")
    await expect(page.locator("button.down")).to_be_hidden()
    await page.fill(".left input[type=search]", "message 54321")
    await page.locator("[data-hit]").first.click()
    await window.has("message 54321")
    await _scroll(page, ".stage .scroll", -6000, 10)

    async def later() -> bool:
        return await number(-1) > 54_400  # it goes on to where the chat goes on

    await _scroll_until(page, ".stage .scroll", 9000, later)


_DRAG = """async () => {
  const { LongList } = await import('/console/list.js');
  const { h } = await import('/console/dom.js');
  const place = h('ol'), box = h('div', place);
  box.style.cssText = 'height: 600px; overflow: auto; position: fixed; inset: 0';
  document.body.append(box);
  const rows = Array.from({ length: 100_000 }, (_, n) => n);
  const began = performance.now();
  const list = new LongList(box, place, {
    key: (n) => n, mark: (n) => n, guess: 30,
    draw: (n) => { const row = h('li', `row ${n}`); row.style.height = `${20 + n % 50}px`; return row; },
  });
  list.set(rows);
  const set = performance.now() - began, most = [], took = [];
  for (let step = 0; step < 100; step += 1) {
    box.scrollTop = (step * 7919 % 100) / 100 * box.scrollHeight;
    const at = performance.now();
    list.scrolled();
    list.render();
    took.push(performance.now() - at);
    most.push(place.childElementCount);
  }
  box.scrollTop = box.scrollHeight;
  list.scrolled();
  list.render();
  const last = place.lastElementChild.textContent;
  list.show(50_000);
  const seen = list.rows.get(50_000).node.getBoundingClientRect().top;
  list.set(rows.slice(10_000));
  const kept = list.rows.get(50_000).node.getBoundingClientRect().top;
  list.end();
  box.remove();
  return { set, most: Math.max(...most), slowest: Math.max(...took), last, seen, kept };
}"""


async def test_the_scroll_bar_can_be_dragged_anywhere(house: House, windows: Windows) -> None:
    """A hundred thousand rows of different heights; what is in sight stays when others go."""
    window = await windows.new()
    await window.page.goto(house.url)
    got = await window.page.evaluate(_DRAG)
    print(f"100,000 rows: laid in {got['set']:.0f} ms, a jump in {got['slowest']:.1f} ms at most")
    assert got["most"] < 120
    assert got["last"] == "row 99999"
    assert 0 < got["seen"] < 600
    assert abs(got["seen"] - got["kept"]) < 2
