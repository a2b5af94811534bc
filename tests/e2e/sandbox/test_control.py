"""The control socket of a sandbox process, without any engine."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import orjson
import pytest

from wa_api.bus.sandbox import SandboxClient, SandboxRefused, SandboxUnavailable

pytestmark = pytest.mark.e2e


async def test_the_ready_file_tells_how_to_connect(sandbox):
    """The files that it names exist, and the socket is its owner's only."""
    info = await sandbox.call("network.info")
    assert info == sandbox.info
    check_files(info)
    assert info["proxy_url"].startswith("http://127.0.0.1:")


def check_files(info):
    assert Path(info["ca_file"]).read_text().startswith("-----BEGIN CERTIFICATE")
    assert len(Path(info["noise_root_key_file"]).read_bytes()) == 32
    assert Path(info["control_socket"]).stat().st_mode & 0o077 == 0


async def test_a_tenant_sees_only_its_own_phones(sandbox):
    """Another tenant's phone does not exist, in every method that names one."""
    phone = await sandbox.phone()
    other = {"tenant": "ten_2", "phone": phone["phone"]}
    calls = {
        "phone.get": {}, "phone.delete": {}, "phone.configure": {"echo": True},
        "phone.scan": {"qr": "x"}, "phone.link_code": {"code": "ABCDEFGH"},
        "phone.unlink": {"device": 1}, "phone.send": {"to": phone["number"], "text": "x"},
        "phone.inbox": {}, "phone.events": {}, "phone.media": {"id": "x"},
        "phone.read": {"ids": ["x"]}, "phone.typing": {"to": phone["number"]},
        "phone.presence": {"available": True}, "phone.online": {"online": False},
        "phone.forget_sessions": {}, "phone.garble": {},
        "group.create": {"subject": "x"}, "device.break": {"how": "drop"}, "pairing.refuse": {},
    }  # fmt: skip
    for method, more in calls.items():
        with pytest.raises(SandboxRefused) as refused:
            await sandbox.client.call(method, **other, **more)
        assert refused.value.code == "not_found", method
    load = {"phones": [phone["phone"]], "to": [phone["number"]], "rate": 1, "count": 1}
    with pytest.raises(SandboxRefused):
        await sandbox.client.call("load.start", tenant="ten_2", **load)
    assert await sandbox.client.call("phone.list", tenant="ten_2") == []
    assert [entry["phone"] for entry in await sandbox.call("phone.list")] == [phone["phone"]]


BAD = [
    ("phone.create", {"number": "12"}),
    ("phone.create", {"number": "x" * 20}),
    ("phone.create", {"unknown": 1}),
    ("phone.list", {"tenant": ""}),
    ("phone.send", {"phone": "x"}),
    ("phone.send", {"phone": "x", "to": "1", "text": ""}),
    ("phone.send", {"phone": "x", "to": "1", "text": "a" * 70_000}),
    ("phone.typing", {"phone": "x", "to": "1", "state": "dancing"}),
    ("phone.inbox", {"phone": "x", "limit": 0}),
    ("load.start", {"phones": [], "to": ["1"], "rate": 1}),
    ("load.start", {"phones": ["x"], "to": ["1"], "rate": -1}),
]


async def test_bad_parameters_are_named(sandbox):
    """What does not fit is a bad_request and changes nothing."""
    for method, given in BAD:
        with pytest.raises(SandboxRefused) as refused:
            await sandbox.client.call(method, **({"tenant": "ten_1"} | given))
        assert refused.value.code == "bad_request", (method, given)
    assert await sandbox.call("phone.list") == []


async def test_an_unknown_way_to_break_is_named(sandbox):
    """The answer lists the ways that there are."""
    phone = await sandbox.phone()
    with pytest.raises(SandboxRefused, match="replaced"):
        await sandbox.call("device.break", phone=phone["phone"], how="explode")


async def test_lines_that_are_no_requests_are_answered(sandbox):
    """Broken JSON gets an error without an id, and the connection goes on."""
    reader, writer = await asyncio.open_unix_connection(sandbox.info["control_socket"])
    for line in (b"{\n", b"[]\n", b'{"id":1}\n', b'{"id":2,"method":"nothing"}\n'):
        writer.write(line)
    answers = [orjson.loads(await asyncio.wait_for(reader.readline(), 5)) for _ in range(4)]
    codes = sorted(answer["error"]["code"] for answer in answers)
    assert codes == ["bad_request", "bad_request", "bad_request", "not_found"]
    writer.close()


async def test_phones_talk_to_each_other_and_echo(sandbox):
    """Two phones without any companion exchange texts, receipts and a group message."""
    one, two = await sandbox.phone(name="One"), await sandbox.phone(name="Two")
    await sandbox.call("phone.configure", phone=two["phone"], echo=True, auto_read=True)
    sent = await sandbox.call("phone.send", phone=one["phone"], to=two["phone"], text="hello")
    answer = await sandbox.received(one, "hello")
    assert answer["sender_pn"] == two["jid"]
    await sandbox.noted(one, kind="receipt", state="read", ids=[sent["id"]])
    await sandbox.call("phone.configure", phone=two["phone"], echo=False)
    group = await sandbox.call(
        "group.create", phone=one["phone"], subject="Both", members=[two["phone"]]
    )
    await sandbox.call("phone.send", phone=two["phone"], to=group["group"], text="all")
    assert (await sandbox.received(one, "all"))["chat"] == group["group"]


async def test_a_caller_can_wait_for_a_message(sandbox):
    """`wait` answers at once when something comes, and with nothing when the time is over."""
    one, two = await sandbox.phone(), await sandbox.phone()
    assert await sandbox.call("phone.inbox", phone=two["phone"], wait=0.01) == []
    waiting = asyncio.create_task(sandbox.call("phone.inbox", phone=two["phone"], wait=30))
    await sandbox.call("phone.send", phone=one["phone"], to=two["number"], text="now")
    [letter] = await asyncio.wait_for(waiting, 10)
    assert letter["text"] == "now"
    more = {"phone": two["phone"], "after": letter["number"], "raw": True}
    assert await sandbox.call("phone.inbox", **more) == []


async def test_load_is_numbered_and_counted(sandbox):
    """A generator sends exactly what was asked for, in order, and says so."""
    one, two = await sandbox.phone(), await sandbox.phone()
    load = await sandbox.call(
        "load.start", phones=[one["phone"]], to=[two["number"]], rate=500, count=50, text="n"
    )
    await sandbox.received(two, "n 50")
    letters = await sandbox.call("phone.inbox", phone=two["phone"], limit=1000)
    assert [letter["text"] for letter in letters] == [f"n {i}" for i in range(1, 51)]
    await sandbox.eventually(
        lambda: _one(sandbox.call("load.stats", load=load["load"])),
        lambda stats: stats["sent"] == 50 and not stats["running"],
    )
    endless = await sandbox.call("load.start", phones=[one["phone"]], to=[two["number"]], rate=10)
    stopped = await sandbox.call("load.stop", load=endless["load"])
    assert not stopped["running"]


async def _one(answer):
    return [await answer]


async def test_phones_survive_a_restart_with_their_sessions(sandbox):
    """After it the two phones still read each other."""
    one, two = await sandbox.phone(), await sandbox.phone()
    send = {"phone": one["phone"], "to": two["number"]}
    await sandbox.call("phone.send", **send, text="before")
    await sandbox.received(two, "before")
    await sandbox.stop()
    await sandbox.start()
    await sandbox.call("phone.send", **send, text="after")
    await sandbox.received(two, "after")


async def test_a_client_reconnects_and_says_when_nobody_is_there(sandbox):
    """While the sandbox is away calls fail with a type of their own; then they work again."""
    await sandbox.phone()
    await sandbox.stop()
    away = SandboxClient(Path(sandbox.info["control_socket"]))
    with pytest.raises(SandboxUnavailable):
        await away.call("network.stats")
    await sandbox.start()
    assert (await away.call("network.stats"))["phones"] == 1
    await away.close()


async def test_a_stopped_sandbox_is_a_time_out(sandbox):
    """A process that hangs does not hang its callers."""
    os.kill(sandbox.info["pid"], signal.SIGSTOP)
    try:
        with pytest.raises(SandboxUnavailable):
            await sandbox.client.call("network.stats", timeout=0.2)
    finally:
        os.kill(sandbox.info["pid"], signal.SIGCONT)
    assert (await sandbox.call("network.stats"))["phones"] == 0


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01 garbage\r\n\r\n", b"\r\n\r\n"]
)
async def test_what_is_no_proxy_request_is_turned_away(sandbox, request_):
    """Only CONNECT is answered; nothing else gets anywhere, or brings the sandbox down."""
    host, _, port = sandbox.info["proxy_url"].removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request_)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b"200" not in answer
    writer.close()
    assert (await sandbox.call("network.stats"))["sockets"] == 0
