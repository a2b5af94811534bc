"""The unmodified engine in a process of its own: commands on stdin, facts on stdout.

Run with SSL_CERT_FILE and GOMAXPROCS set: `python engine_driver.py PROXY ROOT_KEY_FILE STORE`.
Each line is JSON: `{"do": "text", "to": …, "text": …, "ref": 1}` gives `{"event": "done", "ref":
1, …}`; everything that happens comes as `{"event": "qr" | "message" | …}`.
"""

from __future__ import annotations

# ruff: noqa: TID251, BLE001, C901, ASYNC240
import asyncio
import ctypes
import os
import re
import sys
import uuid
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

TRUSTED = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
REPORT = os.fdopen(os.dup(1), "wb", buffering=0)
os.dup2(2, 1)


def trust(root: bytes) -> None:
    """Replaces the constant root key in the loaded library's writable data."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw\S+ .*neonize.*\.so", line)
        if found:
            start, end = (int(text, 16) for text in found.groups())
            at = ctypes.string_at(start, end - start).find(TRUSTED)
            if at >= 0:
                ctypes.memmove(start + at, root, len(root))
                return
    raise RuntimeError("the root key was not found")


from neonize.aioze import client as engine
from neonize.aioze import events as ev
from neonize.proto import Neonize_pb2 as pb
from neonize.utils.enum import (
    ChatPresence,
    ChatPresenceMedia,
    Presence,
    ReceiptType,
)


def report(event: str, **facts: Any) -> None:
    REPORT.write(orjson.dumps({"event": event, **facts}) + b"\n")


def text_of(jid: Any) -> str:
    device = f":{jid.Device}" if jid.Device else ""
    return f"{jid.User}{device}@{jid.Server}"


def jid_of(text: str) -> Any:
    user, _, server = text.partition("@")
    server = server or "s.whatsapp.net"
    return pb.JID(User=user, Server=server, RawAgent=0, Device=0, Integrator=0, IsEmpty=False)


class Driver:
    def __init__(self, proxy: str, store: str) -> None:
        self.client = engine.NewAClient(store, uuid=str(uuid.uuid4()))
        self.proxy = proxy
        self._listen()

    def _listen(self) -> None:
        on = self.client.event

        @self.client.qr
        async def qr(_: Any, code: bytes) -> None:
            report("qr", code=code.decode())

        @on(ev.PairStatusEv)
        async def paired(_: Any, e: Any) -> None:
            report("paired", jid=text_of(e.ID), error=e.Error)

        @on(ev.ConnectedEv)
        async def connected(_: Any, e: Any) -> None:
            report("connected")

        @on(ev.MessageEv)
        async def message(_: Any, e: Any) -> None:
            source, body = e.Info.MessageSource, e.Message
            text = body.conversation or body.extendedTextMessage.text
            report(
                "message",
                id=e.Info.ID,
                text=text,
                from_me=source.IsFromMe,
                sender=text_of(source.Sender),
                sender_alt=text_of(source.SenderAlt),
                chat=text_of(source.Chat),
                group=source.IsGroup,
                name=e.Info.Pushname,
                kinds=[d.name for d, _ in body.ListFields()],
            )

        @on(ev.ReceiptEv)
        async def receipt(_: Any, e: Any) -> None:
            report(
                "receipt",
                ids=list(e.MessageIDs),
                type=pb.Receipt.ReceiptType.Name(e.Type),
                chat=text_of(e.MessageSource.Chat),
            )

        @on(ev.ChatPresenceEv)
        async def typing(_: Any, e: Any) -> None:
            report("typing", state=e.State, chat=text_of(e.MessageSource.Chat))

        @on(ev.PresenceEv)
        async def presence(_: Any, e: Any) -> None:
            report("presence", sender=text_of(e.From), unavailable=e.Unavailable)

        @on(ev.LoggedOutEv)
        async def logged_out(_: Any, e: Any) -> None:
            report("logged_out", on_connect=e.OnConnect)

        @on(ev.StreamReplacedEv)
        async def replaced(_: Any, e: Any) -> None:
            report("replaced")

        @on(ev.TemporaryBanEv)
        async def banned(_: Any, e: Any) -> None:
            report("banned", code=e.Code, expire=e.Expire)

        @on(ev.ClientOutdatedEv)
        async def outdated(_: Any, e: Any) -> None:
            report("outdated")

        @on(ev.ConnectFailureEv)
        async def failure(_: Any, e: Any) -> None:
            report("failure", reason=e.Reason)

        @on(ev.DisconnectedEv)
        async def disconnected(_: Any, e: Any) -> None:
            report("disconnected")

        @on(ev.OfflineSyncCompletedEv)
        async def backlog(_: Any, e: Any) -> None:
            report("backlog", count=e.Count)

        @on(ev.JoinedGroupEv)
        async def joined(_: Any, e: Any) -> None:
            report("joined", group=text_of(e.GroupInfo.JID), name=e.GroupInfo.GroupName.Name)

    async def perform(self, do: str, given: dict[str, Any]) -> dict[str, Any]:
        client = self.client
        match do:
            case "connect":
                await client.connect(engine.ProxySettings(proxy_address=self.proxy))
            case "code":
                return {"code": await client.PairPhone(given["phone"], True)}
            case "text":
                sent = await client.send_message(jid_of(given["to"]), given["text"])
                return {"id": sent.ID}
            case "image":
                sent = await client.send_image(jid_of(given["to"]), given["file"], "a picture")
                return {"id": sent.ID}
            case "read":
                await client.mark_read(
                    *given["ids"],
                    chat=jid_of(given["chat"]),
                    sender=jid_of(given["chat"]),
                    receipt=ReceiptType.READ,
                )
            case "typing":
                await client.send_chat_presence(
                    jid_of(given["to"]),
                    ChatPresence.CHAT_PRESENCE_COMPOSING,
                    ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT,
                )
            case "available":
                await client.send_presence(Presence.AVAILABLE)
            case "subscribe":
                await client.subscribe_presence(jid_of(given["to"]))
            case "exists":
                found = await client.is_on_whatsapp(*given["numbers"])
                return {"found": {f.Query: f.IsIn for f in found}}
            case "group":
                members = [jid_of(member) for member in given["members"]]
                info = await client.create_group(given["name"], members)
                return {"group": text_of(info.JID)}
            case "photo":
                await client.set_profile_photo(b64decode(given["data"]))
            case "about":
                await client.set_status_message(given["text"])
            case "profile":
                jid = jid_of(given["of"])
                [info] = await client.get_user_info(jid)
                picture = await client.get_profile_picture(jid)
                return {"about": info.UserInfo.Status, "picture": picture.URL}
            case "logout":
                await client.logout()
            case "stop":
                await client.stop()
        return {}

    async def obey(self, line: bytes) -> None:
        given = orjson.loads(line)
        ref = given.pop("ref", None)
        try:
            result = await self.perform(given.pop("do"), given)
            report("done", ref=ref, **result)
        except Exception as error:
            report("failed", ref=ref, error=f"{type(error).__name__}: {error}")


async def main(proxy: str, root_file: str, store: str) -> None:
    trust(Path(root_file).read_bytes())
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(32))
    driver, reader = Driver(proxy, store), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    report("ready")
    tasks = set()
    while line := await reader.readline():
        task = asyncio.create_task(driver.obey(line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    # The engine's threads never end by themselves.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
