"""What a large file costs in memory on each way through: upload, send, fetch, download.

    python -m tests.benchmarks.media [--megabytes 60]

For each step the peak growth of resident memory of the process that works, as the kernel counts it
(VmHWM after a reset), for a file of 0.1 MB (the baseline: what the step costs anyway) and for the
large one. Anonymous memory (`anon`) is sampled: it leaves mapped files out, which the kernel takes
back when it likes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.benchmarks.harness import gateway, report
from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.bus.sandbox import SandboxClient
from wa_api.demo.client import Feed

SMALL = 100_000
MB = 1_000_000
LIMIT = 300.0


@dataclass(frozen=True, slots=True)
class Peak:
    """Growth in MB, and how long the step took."""

    rss: float
    anon: float
    seconds: float


def _status(pid: int, name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 / MB if found else 0.0


def _reset(pid: int) -> None:
    """Let the kernel count the peak anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextlib.asynccontextmanager
async def watched(process: psutil.Process, peaks: list[Peak]) -> AsyncIterator[None]:
    """Append the peak of a process while the block runs."""
    _reset(process.pid)
    rss, anon = _status(process.pid, "VmRSS"), _status(process.pid, "RssAnon")
    most = anon

    async def sample() -> None:
        nonlocal most
        while True:
            most = max(most, _status(process.pid, "RssAnon"))
            await asyncio.sleep(0.005)

    sampling, began = asyncio.create_task(sample()), time.monotonic()
    try:
        yield
    finally:
        sampling.cancel()
        took = time.monotonic() - began
        peaks.append(Peak(_status(process.pid, "VmHWM") - rss, most - anon, took))


@dataclass(slots=True)
class Way:
    """A session and a friend's phone."""

    running: Gateway
    tenant: Tenant
    feed: Feed
    anna: Linked
    friend: Any
    client: httpx.AsyncClient
    sandbox: SandboxClient
    folder: Path

    async def go(self, size: int) -> dict[str, Peak]:
        """All steps with one file."""
        (http,) = self.running.children("http")
        (worker,) = self.running.children("sessions", "sandbox")
        peaks: list[Peak] = []
        content = await asyncio.to_thread(self._make, size)
        async with watched(http, peaks):
            media = await self._upload(content, size)
        async with watched(worker, peaks):
            await self._send(media)
        message = await self._receive(await asyncio.to_thread(self._make, size))
        async with watched(worker, peaks):
            path = f"/v1/sessions/{self.anna.session}/messages/{message['id']}/media"
            fetched = (await self.client.post(path)).json()
        async with watched(http, peaks):
            await self._download(fetched)
        names = ("upload (HTTP)", "send (engine)", "fetch (session worker)", "download (HTTP)")
        return dict(zip(names, peaks, strict=True))

    def _make(self, size: int) -> Path:
        path = self.folder / "file.bin"
        with path.open("wb") as file:
            while size > 0:
                file.write(os.urandom(min(size, MB)))
                size -= MB
        return path

    async def _upload(self, path: Path, size: int) -> str:
        async def pieces() -> AsyncIterator[bytes]:
            with path.open("rb") as file:
                while piece := file.read(1 << 18):
                    yield piece

        headers = {"Content-Length": str(size)}
        answer = await self.client.post("/v1/media", content=pieces(), headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def _send(self, media: str) -> None:
        body = {"to": self.friend["number"], "type": "document", "document": {"id": media}}
        path = f"/v1/sessions/{self.anna.session}/messages"
        sent = (await self.client.post(path, json=body, params={"wait": 60})).json()
        while sent["status"] in ("accepted", "queued", "sending"):
            await asyncio.sleep(0.2)
            sent = (await self.client.get(f"{path}/{sent['id']}")).json()
        assert sent["status"] in ("sent", "delivered"), sent

    async def _receive(self, path: Path) -> Any:
        given = {"kind": "document", "file": str(path)}
        sent = await self.sandbox.call(
            "phone.send",
            timeout=LIMIT,
            tenant=self.tenant.id,
            phone=self.friend["phone"],
            to=self.anna.number,
            media=given,
        )
        seen = await self.feed.event(
            "message.received",
            self.anna.session,
            LIMIT,
            lambda data: bool(data["message"]["wa_id"] == sent["id"]),
        )
        return seen.event["data"]["message"]

    async def _download(self, media: Any) -> None:
        digest = hashlib.sha256()
        async with self.client.stream("GET", media["url"]) as answer:
            async for piece in answer.aiter_raw(1 << 18):
                digest.update(piece)
        assert digest.hexdigest() == media["sha256"]


async def main(megabytes: int) -> None:
    """Measure and print."""
    async with gateway() as running:
        tenant = await running.tenant()
        headers = {"Authorization": f"Bearer {tenant.rest.credential}"}
        async with (
            tenant.feed() as feed,
            httpx.AsyncClient(base_url=running.url, headers=headers, timeout=LIMIT) as client,
        ):
            anna = await tenant.link_session(feed)
            friend = await tenant.new_phone("Bruno")
            control = SandboxClient(running.served.data / "sandbox" / "control.sock")
            folder = running.served.data
            way = Way(running, tenant, feed, anna, friend, client, control, folder)
            await way.go(SMALL)  # what a first time costs
            small = await way.go(SMALL)
            large = await way.go(megabytes * MB)
            again = await way.go(megabytes * MB)
            await control.close()
    rows = [
        (
            name,
            f"{small[name].rss:.1f}",
            f"{large[name].rss:.1f}",
            f"{large[name].anon:.1f}",
            f"{again[name].rss:.1f}",
            f"{large[name].seconds:.2f}",
        )
        for name in small
    ]
    columns = ("step", "0.1 MB", f"{megabytes} MB", "anon", "once more", "s")
    report("media: peak growth of resident memory in MB", columns, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=60)
    asyncio.run(main(parser.parse_args().megabytes))
