"""The network fails on demand, and the unmodified engine notices as it would at the real one."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def sandbox(shared):
    """These tests restart nothing: one network is enough."""
    return shared


@pytest.fixture
async def linked(sandbox, engines):
    """An engine linked to a phone."""
    phone = await sandbox.phone()
    engine = await engines("one")
    await engine.link(phone)
    return engine, phone


@pytest.mark.parametrize(
    ("how", "event", "facts"),
    [
        ("replaced", "replaced", {}),
        ("logged_out", "logged_out", {"on_connect": False}),
        ("banned", "banned", {"expire": 60}),
        ("outdated", "outdated", {}),
    ],
)
async def test_an_end_is_told_by_its_reason(sandbox, linked, how, event, facts):
    """Each way to end a device is its own event at the engine."""
    engine, phone = linked
    ms = 60_000 if how == "banned" else None
    await sandbox.call("device.break", phone=phone["phone"], how=how, ms=ms)
    await engine.wait(event, **facts)


async def test_a_ban_for_good_is_a_failure_403(sandbox, linked):
    """403 is told apart from a ban that ends."""
    engine, phone = linked
    await sandbox.call("device.break", phone=phone["phone"], how="banned", code=403)
    await engine.wait("logged_out", on_connect=True)


@pytest.mark.parametrize("how", ["drop", "unavailable"])
async def test_the_engine_comes_back_after(sandbox, linked, how):
    """A dropped socket and a server that is away for a moment are no end."""
    engine, phone = linked
    since = engine.mark()
    await sandbox.call("device.break", phone=phone["phone"], how=how, ms=100)
    await engine.wait("connected", since)
    connections = await sandbox.call("judge.connections", phone=phone["phone"])
    assert [c["closed"] is None for c in connections][-1]
    assert await sandbox.call("judge.overlaps") == []


async def test_a_second_login_replaces_the_first_and_is_counted(sandbox, engines, linked):
    """Two live connections of one device: the first is told, the judge has it on record."""
    engine, phone = linked
    second = await engines("one")
    await second.do("connect")
    await engine.wait("replaced")
    await second.wait("connected")
    [overlap] = await sandbox.call("judge.overlaps")
    assert overlap["phone"] == phone["phone"]


async def test_sends_are_refused_with_463(sandbox, linked):
    """A restricted account gets the error, and sends again once it is healed."""
    engine, phone = linked
    friend = await sandbox.phone()
    await sandbox.call("device.break", phone=phone["phone"], how="restricted")
    with pytest.raises(RuntimeError, match="463"):
        await engine.do("text", to=friend["number"], text="cold")
    await sandbox.call("device.break", phone=phone["phone"], how="heal")
    await engine.do("text", to=friend["number"], text="warm")
    await sandbox.received(friend, "warm")
    texts = [m["text"] for m in await sandbox.call("phone.inbox", phone=friend["phone"])]
    assert texts == ["warm"]


async def test_a_silent_server_says_nothing_until_it_is_healed(sandbox, linked):
    """A send to a silent server neither arrives nor fails; the next connection works."""
    engine, phone = linked
    friend = await sandbox.phone()
    await sandbox.call("device.break", phone=phone["phone"], how="silent")
    await sandbox.call("phone.send", phone=friend["phone"], to=phone["number"], text="later")
    engine.send("text", to=friend["number"], text="void")
    since = engine.mark()
    assert await sandbox.call("judge.arrived") == []
    await sandbox.call("device.break", phone=phone["phone"], how="heal")
    await sandbox.call("device.break", phone=phone["phone"], how="drop")
    await engine.wait("connected", since)
    await engine.wait("message", text="later")


async def test_delayed_answers_arrive_in_order(sandbox, linked):
    """With a delay everything is late but nothing is lost or overtaken."""
    engine, phone = linked
    friend = await sandbox.phone()
    await sandbox.call("device.break", phone=phone["phone"], how="delay", ms=200)
    for number in range(5):
        await sandbox.call(
            "phone.send", phone=friend["phone"], to=phone["number"], text=f"slow {number}"
        )
    await engine.wait("message", text="slow 4")
    texts = [f["text"] for f in engine.facts if f["event"] == "message" and f["text"]]
    assert texts == [f"slow {number}" for number in range(5)]
