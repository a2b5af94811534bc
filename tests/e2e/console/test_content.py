"""What messages hold, and what can be done with them, in a browser."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests.e2e.console.browser import Home, House, Window, Windows, until_true
from tests.support.gateway import Linked

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)> & &lt;b&gt;"
HOSTILE = [
    MARKUP,
    "\u202eolleh\u202c \u2066\u0645\u0631\u062d\u0628\u0627\u2069 javascript:alert(1)",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e7\U0001f1f7 ¯\\_(ツ)_/¯ Z\u0351\u036b\u0343A\u0334\u0335",
]


@dataclass
class Talk:
    """A linked number, and a friend's phone that writes to it; a window on their chat."""

    home: Home
    mine: Linked
    friend: dict[str, Any]
    window: Window

    @property
    def page(self) -> Page:
        """The window's page."""
        return self.window.page

    async def say(self, **form: Any) -> str:
        """The friend's phone sends something; WhatsApp's id of it."""
        path = f"/sandbox/phones/{self.friend['phone']}/send"
        return str((await self.home.rest.post(path, {"to": self.mine.number, **form}))["id"])

    async def act(self, text: str, act: str) -> None:
        """Choose what to do with a message."""
        row = self.page.locator(".messages li", has_text=text).last
        await row.hover()
        await row.locator("[data-act=actions]").click()
        await self.page.locator(f"dialog {act}").click()


async def _talk(house: House, windows: Windows, name: str = "Maya") -> Talk:
    home = await house.home()
    mine = await home.number("Shop")
    friend = await home.tenant.new_phone(name)
    chat = f"chat/{mine.session}/{friend['number']}%40s.whatsapp.net"
    window = await home.window(windows, chat)
    await expect(window.page.locator("html[data-feed=live]")).to_be_attached()
    return Talk(home, mine, friend, window)


async def test_hostile_content_is_shown_as_text(house: House, windows: Windows) -> None:
    """Markup, directions, emoji, 60 kB, names of people, vCards: nothing becomes an element."""
    talk = await _talk(house, windows, name="<b>Maya</b>")
    for body in HOSTILE:
        await talk.say(text=body)
        await expect(talk.page.locator(".messages .text").last).to_have_text(body)
    long = f"{MARKUP}{'x' * 60_000}end"
    await talk.say(text=long)
    await talk.page.get_by_role("button", name="Show all").click()
    await expect(talk.page.locator(".messages .text").last).to_have_text(long)
    await expect(talk.page.locator("wa-thread h2")).to_have_text("<b>Maya</b>")
    card = f"BEGIN:VCARD\nVERSION:3.0\nFN:{MARKUP}\nTEL;waid=5511999990000:+55 11\nEND:VCARD"
    await talk.say(message={"contactMessage": {"displayName": MARKUP, "vcard": card}})
    await expect(talk.page.locator(".cards strong")).to_have_text(MARKUP)
    made = talk.page.locator(".messages :is(script, b, img, iframe), .chats :is(script, b, img)")
    await expect(made).to_have_count(0)


async def test_reactions_answers_changes_and_deletions(house: House, windows: Windows) -> None:
    """Both sides react; an answer quotes; a change and a deletion show in the same place."""
    talk = await _talk(house, windows)
    await talk.say(text="Is it open?")
    await talk.window.has("Is it open?")
    await talk.act("Is it open?", "button:has-text('👍')")
    await expect(talk.page.locator(".reactions")).to_have_text("👍")
    await talk.act("Is it open?", "[data-act=reply]")
    await talk.window.write("Until six")
    await expect(talk.page.locator(".quote")).to_contain_text("Is it open?")
    await talk.window.has("Until six", "delivered")
    await talk.act("Until six", "[data-act=edit]")
    await talk.window.write("Until seven")
    await talk.window.has("Until seven")
    await expect(talk.page.locator(".bubble", has_text="Until seven")).to_contain_text("edited")
    message = await talk.page.locator(".messages .bubble.out").get_attribute("data-id")
    wa_id = (await talk.home.rest.get(f"/sessions/{talk.mine.session}/messages/{message}"))["wa_id"]
    key = {"remoteJID": f"{talk.mine.number}@s.whatsapp.net", "fromMe": False, "ID": wa_id}
    await talk.say(message={"reactionMessage": {"key": key, "text": "🎉"}})
    await expect(talk.page.locator("li.mine .reactions")).to_have_text("🎉")
    await talk.act("Until seven", "[data-act=revoke]")
    await expect(talk.page.locator(".messages .bubble.out")).to_contain_text(
        "This message was deleted"
    )
    await talk.page.reload()
    await expect(talk.page.locator(".messages .bubble.out")).to_contain_text(
        "This message was deleted"
    )
    await expect(talk.page.locator(".reactions").first).to_have_text("👍")


async def test_polls_and_places(house: House, windows: Windows) -> None:
    """A poll is voted in; a place and a link can be followed, and nothing else."""
    talk = await _talk(house, windows)
    options = [{"optionName": "Pizza"}, {"optionName": "Soup"}]
    poll = {"name": "Lunch?", "options": options, "selectableOptionsCount": 1}
    secret = {"messageContextInfo": {"messageSecret": base64.b64encode(b"s" * 32).decode()}}
    await talk.say(message={"pollCreationMessageV3": poll, **secret})
    await talk.page.get_by_role("button", name="Soup").click()
    await expect(talk.page.locator(".option[aria-pressed=true]")).to_contain_text("Soup")
    place = {"degreesLatitude": -23.55, "degreesLongitude": -46.63, "name": MARKUP}
    await talk.say(message={"locationMessage": place})
    await expect(talk.page.locator(".place strong")).to_have_text(MARKUP)
    await talk.say(text="see https://example.com/a?b=1. javascript:alert(1)")
    link = talk.page.locator(".text a")
    await expect(link).to_have_attribute("href", "https://example.com/a?b=1")


def _picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (320, 200), "teal").save(made, "PNG")
    return made.getvalue()


async def test_files_are_sent_and_opened(house: House, windows: Windows) -> None:
    """A picture and a document go from one window to another; a dropped and a recorded one too."""
    home = await house.home()
    mine, yours = await home.number("Shop"), await home.number("Client")
    microphone = {"permissions": ["microphone"]}
    path = "chat/{}/{}%40s.whatsapp.net"
    left = await home.window(windows, path.format(mine.session, yours.number), **microphone)
    right = await home.window(windows, path.format(yours.session, mine.number))
    document = b"%PDF-1.4 " + bytes(range(256)) * 100
    files: list[Any] = [
        {"name": "teal.png", "mimeType": "image/png", "buffer": _picture()},
        {"name": "<i>plan</i>.pdf", "mimeType": "application/pdf", "buffer": document},
    ]
    await left.page.set_input_files("[name=files]", files)
    await left.page.fill("dialog [name=caption]", "The sea")
    await left.page.click("dialog button.primary")
    await right.has("The sea")
    await expect(right.page.locator(".bubble.in .picture img")).to_be_visible()
    shown = "document.querySelector('.bubble.in .picture img').naturalWidth"
    await until_true(right.page, f"{shown} === 320")
    bubble = right.page.locator(".bubble.in", has_text="<i>plan</i>.pdf")
    fetch = bubble.locator("[data-act=fetch]")
    await expect(bubble.locator("a.file").or_(fetch)).to_be_visible()
    if await fetch.count():
        await fetch.click()
    async with right.page.expect_download() as downloading:
        await bubble.locator("a.file").click()
    assert (await (await downloading.value).path()).read_bytes() == document
    await left.page.evaluate(_DROP)
    await left.page.click("dialog button.primary")
    await expect(right.page.locator(".bubble.in", has_text="dropped.txt")).to_be_visible()
    await left.page.click("[data-act=record]")
    await left.page.wait_for_timeout(1200)
    await left.page.click("[data-act=record]")
    await expect(right.page.locator(".bubble.in audio")).to_be_visible(timeout=60_000)


_DROP = """() => {
  const data = new DataTransfer();
  data.items.add(new File(["dropped here"], "dropped.txt", { type: "text/plain" }));
  const thread = document.querySelector("wa-thread");
  for (const type of ["dragover", "drop"])
    thread.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
