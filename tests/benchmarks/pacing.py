"""A thousand sends at a policy's rate, and another tenant's single sends in the middle of them.

    python -m tests.benchmarks.pacing [--count 1000] [--contacts 100] [--rate 20] [--idle 100]

First the other tenant sends alone, on an idle gateway: the baseline. Then a batch for as many
contacts waits under a policy of `--rate` per second, and meanwhile the other tenant sends at the
same rhythm as before. For the batch: the rate at which it arrived at the virtual phones, the most
within any second, and whether every chat is in order. For the other: the time from the request to
the sandbox having the message, on both gateways' states. The first tenant's replies in the middle
of its own campaign are measured too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from typing import Any

from tests.benchmarks.harness import gateway, percentile, report
from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.bus.sandbox import SandboxClient

HEAD = ["single sends", "count", "p50 ms", "p99 ms", "max ms"]
PAUSE = 0.25  #: seconds between single sends


async def phones(tenant: Tenant, count: int) -> list[dict[str, Any]]:
    """Contacts, made a few at a time."""
    made: list[dict[str, Any]] = []
    while len(made) < count:
        some = min(10, count - len(made))
        made += await asyncio.gather(*(tenant.new_phone("Contact") for _ in range(some)))
    return made


class Arrivals:
    """What the sandbox has got from a tenant, decrypted; read on from where it was read to, so
    that looking costs the sandbox little.
    """

    def __init__(self, sandbox: SandboxClient, tenant: str) -> None:
        self._sandbox, self._tenant, self._after = sandbox, tenant, 0
        self._open: list[int] = []
        self.entries: dict[int, dict[str, Any]] = {}

    async def read(self) -> list[dict[str, Any]]:
        """All of them so far, in order. One that is not decrypted yet is read again."""
        after = min([self._after, *(number - 1 for number in self._open)])
        while page := await self._sandbox.call("judge.arrived", tenant=self._tenant, after=after):
            self.entries |= {one["number"]: one for one in page}
            after = self._after = max(self._after, page[-1]["number"])
        self._open = [
            number
            for number, one in self.entries.items()
            if one["kind"] == "message" and not one["text"]
        ]
        return [one for _, one in sorted(self.entries.items()) if one["text"]]


async def singles(
    sandbox: SandboxClient, tenant: Tenant, who: Linked, to: str, word: str, count: int
) -> list[float]:
    """Milliseconds from the request to the sandbox having the message, one after the other."""
    asked: dict[str, float] = {}
    for number in range(count):
        text = f"{word} {number}"
        asked[text] = time.time()
        body = {"to": to, "text": {"body": text}, "priority": "reply"}
        await tenant.rest.post(f"/sessions/{who.session}/messages", body)
        await asyncio.sleep(PAUSE)
    arrivals = Arrivals(sandbox, tenant.id)
    async with asyncio.timeout(60):
        while True:
            times = {one["text"]: one["at"] for one in await arrivals.read()}
            if asked.keys() <= times.keys():
                return [(times[text] - at) * 1000 for text, at in asked.items()]
            await asyncio.sleep(0.5)


async def campaign(
    sandbox: SandboxClient, tenant: Tenant, who: Linked, contacts: list[Any], args: Any
) -> list[dict[str, Any]]:
    """Send the batch and wait until all of it arrived."""
    messages = [
        {
            "to": contacts[n % len(contacts)]["number"],
            "text": {"body": f"batch {n:05}"},
            "priority": "campaign",
            "expires_in": 3600,
        }
        for n in range(args.count)
    ]
    begin = time.monotonic()
    answer = await tenant.rest.post(
        f"/sessions/{who.session}/messages/batch", {"messages": messages}
    )
    print(f"accepted {answer['accepted']} in {(time.monotonic() - begin) * 1000:.0f} ms")
    arrivals = Arrivals(sandbox, tenant.id)
    async with asyncio.timeout(60 + 3 * args.count / args.rate):
        while True:
            await asyncio.sleep(2)
            arrived = [one for one in await arrivals.read() if "batch" in one["text"]]
            if len(arrived) >= args.count:
                return arrived


def most_within_a_second(times: list[float]) -> int:
    """The densest second."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def in_order(arrived: list[dict[str, Any]]) -> bool:
    """Whether every chat got its messages in the order of the batch, each once."""
    by_chat: dict[str, list[str]] = {}
    for one in arrived:
        by_chat.setdefault(one["chat"], []).append(one["text"])
    return all(texts == sorted(set(texts)) for texts in by_chat.values())


async def run(running: Gateway, args: Any) -> None:
    """Both tenants on one gateway, their sessions on one worker."""
    busy, quiet = await running.tenant("Busy"), await running.tenant("Quiet")
    sandbox = SandboxClient(running.served.data / "sandbox" / "control.sock")
    async with busy.feed() as one, quiet.feed() as two:
        anna, bert = await busy.link_session(one), await quiet.link_session(two)
    contacts = await phones(busy, args.contacts)
    friend, other = await busy.new_phone("Friend"), await quiet.new_phone("Other")
    policy = {
        "per_minute": args.rate * 60,
        "burst": 5,
        "jitter": 0.3,
        "chat_gap": 0,
        "per_day": None,
        "first_contacts_per_day": None,
        "first_contacts_per_minute": None,
        "warm_up": None,
    }
    settings = {"settings": {"pacing": policy}}
    await busy.rest.call("PATCH", f"/sessions/{anna.session}", settings)
    await singles(sandbox, quiet, bert, other["number"], "warm", 10)
    idle = await singles(sandbox, quiet, bert, other["number"], "idle", args.idle)
    under_way = asyncio.create_task(campaign(sandbox, busy, anna, contacts, args))
    await asyncio.sleep(1)
    count = min(args.idle, int((args.count / args.rate - 2) / PAUSE))
    meanwhile, replies = await asyncio.gather(
        singles(sandbox, quiet, bert, other["number"], "meanwhile", count),
        singles(sandbox, busy, anna, friend["number"], "reply", min(20, count)),
    )
    arrived = await under_way
    await sandbox.close()
    times = sorted(one["at"] for one in arrived)
    rate = (len(times) - 1) / (times[-1] - times[0])
    report(
        f"{args.count} sends to {args.contacts} contacts at {args.rate}/s",
        ["arrived", "per second", "most within a second", "in order per chat"],
        [[len(arrived), rate, most_within_a_second(times), in_order(arrived)]],
    )
    rows = [
        ("another tenant, idle gateway", idle),
        ("another tenant, meanwhile", meanwhile),
        ("replies of the same session", replies),
    ]
    report(
        "Single sends, request to the sandbox having it",
        HEAD,
        [[name, len(ms), percentile(ms, 0.5), percentile(ms, 0.99), max(ms)] for name, ms in rows],
    )
    later = percentile(meanwhile, 0.99) - percentile(idle, 0.99)
    print(f"load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores")
    print(f"p99 of the other tenant: {later:+.1f} ms beside the campaign (goal: within 50 ms)")


async def main(args: Any) -> None:
    """One gateway."""
    async with gateway(WA_LOG_LEVEL="warning") as running:
        await run(running, args)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--contacts", type=int, default=100)
    options.add_argument("--rate", type=float, default=20)
    options.add_argument("--idle", type=int, default=100, help="single sends of the other tenant")
    asyncio.run(main(options.parse_args()))
