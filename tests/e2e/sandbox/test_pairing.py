"""The unmodified engine links itself to virtual phones."""

from __future__ import annotations

import pytest

from wa_api.bus.sandbox import SandboxRefused

pytestmark = pytest.mark.e2e


async def test_an_engine_is_linked_by_qr_code(sandbox, engines):
    """The phone scans the code that the engine shows; the engine logs in as its device."""
    phone = await sandbox.phone(name="Ana")
    engine = await engines("ana")
    linked = await engine.link(phone)
    assert linked["jid"] == f"{phone['number']}:1@s.whatsapp.net"
    assert (await engine.wait("paired"))["jid"] == linked["jid"]
    shown = await sandbox.call("phone.get", phone=phone["phone"])
    assert shown["devices"][0]["connected"]
    assert shown["devices"][0]["prekeys"] >= 50


async def test_an_engine_is_linked_by_an_eight_character_code(sandbox, engines):
    """The user types the engine's code into the phone, with or without the dash."""
    phone = await sandbox.phone()
    engine = await engines("code")
    await engine.do("connect")
    await engine.wait("qr")
    code = (await engine.do("code", phone=phone["number"]))["code"]
    assert (await sandbox.call("phone.get", phone=phone["phone"]))["code_wanted"]
    linked = await sandbox.call("phone.link_code", phone=phone["phone"], code=code)
    await engine.wait("connected")
    assert linked["jid"] == f"{phone['number']}:1@s.whatsapp.net"


async def test_a_wrong_code_links_nothing(sandbox, engines):
    """A code that the engine did not show is refused, and no device appears."""
    phone = await sandbox.phone()
    engine = await engines("wrong")
    await engine.do("connect")
    await engine.wait("qr")
    await engine.do("code", phone=phone["number"])
    with pytest.raises(SandboxRefused, match="wrong") as refused:
        await sandbox.call("phone.link_code", phone=phone["phone"], code="ABCD-EFGH")
    assert refused.value.code == "pairing_failed"
    assert (await sandbox.call("phone.get", phone=phone["phone"]))["devices"] == []


async def test_a_phone_that_refuses_leaves_no_device(sandbox, engines):
    """The engine sees an error at pairing, and another code of it still links."""
    phone = await sandbox.phone()
    engine = await engines("refused")
    await engine.do("connect")
    qr = await engine.wait("qr")
    await sandbox.call("pairing.refuse", phone=phone["phone"])
    with pytest.raises(SandboxRefused) as refused:
        await sandbox.call("phone.scan", phone=phone["phone"], qr=qr["code"])
    assert refused.value.code == "refused"
    assert (await sandbox.call("phone.get", phone=phone["phone"]))["devices"] == []
    again = await engines("again")
    await again.link(phone)


@pytest.mark.parametrize("code", ["nonsense", "https://wa.me/x#2@a,b,c,d,1", "2@x,*,*,*"])
async def test_what_is_no_qr_code_is_refused(sandbox, code):
    """A text that no engine shows is told apart from a failure of the sandbox."""
    phone = await sandbox.phone()
    with pytest.raises(SandboxRefused) as refused:
        await sandbox.call("phone.scan", phone=phone["phone"], qr=code)
    assert refused.value.code == "pairing_failed"


async def test_a_linked_engine_logs_in_again_after_a_restart_of_the_sandbox(sandbox, engines):
    """Accounts, devices and keys persist, at the same address, and messages still decrypt."""
    phone = await sandbox.phone()
    friend = await sandbox.phone()
    engine = await engines("again")
    await engine.link(phone)
    await engine.do("text", to=friend["number"], text="before")
    await sandbox.received(friend, "before")
    address, since = sandbox.info["proxy_url"], engine.mark()
    assert await sandbox.stop() == 0
    await sandbox.start()
    assert sandbox.info["proxy_url"] == address
    await engine.wait("connected", since)
    await engine.do("text", to=friend["number"], text="after")
    await sandbox.received(friend, "after")


async def test_texts_pass_again_after_the_sandbox_was_killed(sandbox, engines):
    """What its last moments lost of sessions is made up for by retries, in both directions."""
    phone, friend = await sandbox.phone(), await sandbox.phone()
    engine = await engines("killed")
    await engine.link(phone)
    send = {"phone": friend["phone"], "to": phone["number"]}
    for number in range(5):
        await engine.do("text", to=friend["number"], text=f"out {number}")
        await sandbox.call("phone.send", **send, text=f"in {number}")
    await sandbox.received(friend, "out 4")
    await engine.wait("message", text="in 4")
    since = engine.mark()
    await sandbox.kill()
    await sandbox.start()
    await engine.wait("connected", since)
    await engine.do("text", to=friend["number"], text="out again")
    await sandbox.received(friend, "out again")
    await sandbox.call("phone.send", **send, text="in again")
    await engine.wait("message", text="in again")


async def test_an_engine_logs_in_from_its_store(sandbox, engines):
    """A second process with the same device store is the same device."""
    phone = await sandbox.phone()
    engine = await engines("store")
    await engine.link(phone)
    await engine.stop()
    second = await engines("store")
    await second.do("connect")
    await second.wait("connected")
    assert (await sandbox.call("network.stats"))["double_connections"] == 0


async def test_logging_out_removes_the_device(sandbox, engines):
    """The phone no longer has the device that logged itself out."""
    phone = await sandbox.phone()
    engine = await engines("out")
    await engine.link(phone)
    await engine.do("logout")
    assert (await sandbox.call("phone.get", phone=phone["phone"]))["devices"] == []
