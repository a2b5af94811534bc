"""Control methods of virtual phones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import takewhile
from typing import Any

import msgspec

from workers.sandbox import content, pairing, polls, presence, profiles
from workers.sandbox import params as p
from workers.sandbox.accounts import Account
from workers.sandbox.attachments import attach, fetch
from workers.sandbox.breaking import break_device
from workers.sandbox.errors import BadRequest, Conflict, NotFound
from workers.sandbox.finding import Finder
from workers.sandbox.handlers import Table
from workers.sandbox.letters import Letter
from workers.sandbox.media import MediaHost
from workers.sandbox.network import Network
from workers.sandbox.phones import Phone


class PhoneMethods:
    """`phone.*`."""

    def __init__(self, network: Network, finder: Finder, media: MediaHost) -> None:
        self._network, self._find, self._media = network, finder, media
        self.table: Table = {
            "phone.create": (p.CreatePhone, self._create),
            "phone.list": (p.Params, self._list),
            "phone.get": (p.OnePhone, self._get),
            "phone.delete": (p.OnePhone, self._delete),
            "phone.configure": (p.Configure, self._configure),
            "phone.scan": (p.Scan, self._scan),
            "phone.link_code": (p.LinkCode, self._link_code),
            "phone.unlink": (p.Unlink, self._unlink),
            "phone.send": (p.Send, self._send),
            "phone.inbox": (p.Inbox, self._inbox),
            "phone.events": (p.Inbox, self._events),
            "phone.media": (p.GetMedia, self._get_media),
            "phone.read": (p.Read, self._read),
            "phone.typing": (p.Typing, self._typing),
            "phone.presence": (p.Presence, self._presence),
            "phone.online": (p.Online, self._online),
            "phone.forget_sessions": (p.OnePhone, self._forget_sessions),
            "phone.garble": (p.Garble, self._garble),
            "phone.picture": (p.SetPicture, self._picture),
            "phone.call": (p.Call, self._call),
            "phone.hang_up": (p.HangUp, self._hang_up),
        }

    async def _create(self, given: p.CreatePhone) -> dict[str, Any]:
        try:
            phone = self._network.phones.create(given.tenant, given.name, given.number)
        except ValueError as error:
            raise Conflict(str(error)) from error
        await self._network.state.flush()
        return self._find.show(phone.account)

    async def _list(self, given: p.Params) -> list[Any]:
        return [self._find.show(a) for a in self._network.directory if a.tenant == given.tenant]

    async def _get(self, given: p.OnePhone) -> dict[str, Any]:
        return self._find.show(self._find.phone(given).account)

    async def _delete(self, given: p.OnePhone) -> dict[str, Any]:
        account = self._find.phone(given).account
        for device in list(account.devices):
            break_device(self._network, account, device, "logged_out")
        self._network.phones.delete(account)
        return {}

    async def _configure(self, given: p.Configure) -> dict[str, Any]:
        phone = self._find.phone(given)
        self._describe(phone.account, given)
        if given.auto_read is not None:
            phone.auto_read = given.auto_read
        if given.echo is not None:
            phone.echo = given.echo
        if given.online is not None:
            self._network.phones.set_online(phone, given.online)
        if given.available is not None:
            self._announce(phone, given.available)
        return self._find.show(phone.account)

    def _describe(self, account: Account, given: p.Configure) -> None:
        account.name = account.name if given.name is None else given.name
        account.about = account.about if given.about is None else given.about
        account.privacy |= given.privacy
        if given.status_list is not None:
            people = [str(self._find.address(given.tenant, p)) for p in given.status_list.people]
            account.status_list = (given.status_list.type, people)
        self._network.directory.save(account)

    async def _scan(self, given: p.Scan) -> dict[str, Any]:
        account = self._find.online_phone(given).account
        jid = await pairing.scan(self._network, account, given.qr)
        return {"jid": str(jid), "device": jid.device, "phone": account.id}

    async def _link_code(self, given: p.LinkCode) -> dict[str, Any]:
        account = self._find.online_phone(given).account
        jid = await pairing.enter_code(self._network, account, given.code)
        return {"jid": str(jid), "device": jid.device, "phone": account.id}

    async def _unlink(self, given: p.Unlink) -> dict[str, Any]:
        account = self._find.online_phone(given).account
        if given.device not in account.devices:
            raise NotFound("there is no such device")
        break_device(self._network, account, given.device, "logged_out")
        return {}

    async def _send(self, given: p.Send) -> dict[str, Any]:
        phone = self._find.online_phone(given)
        to = self._find.address(given.tenant, given.to)
        return {"id": phone.send(to, await self._message(phone, given))}

    async def _message(self, phone: Phone, given: p.Send) -> Any:
        forms = (given.text, given.message, given.media, given.vote)
        if sum(form is not None for form in forms) != 1:
            raise BadRequest("give one of text, message, media and vote")
        if given.vote is not None:
            return polls.vote(phone, given.vote.poll, given.vote.options)
        if given.text is not None:
            return content.text(given.text)
        if given.message is not None:
            return content.parse(given.message)
        return await asyncio.to_thread(attach, self._media, given.media or {})

    async def _inbox(self, given: p.Inbox) -> list[Any]:
        phone = self._find.phone(given)
        return await self._waited(phone, given.wait, partial(self._letters, phone, given))

    def _letters(self, phone: Phone, given: p.Inbox) -> list[Any]:
        newer = takewhile(lambda letter: letter.number > given.after, reversed(phone.inbox))
        found = [letter for letter in newer if given.id in (None, letter.id)]
        return [_shown(phone, letter, given.raw) for letter in found[: -given.limit - 1 : -1]]

    async def _events(self, given: p.Inbox) -> list[Any]:
        phone = self._find.phone(given)

        def wanted() -> list[Any]:
            newer = takewhile(lambda event: event.number > given.after, reversed(phone.events))
            return [msgspec.to_builtins(event) for event in list(newer)[: -given.limit - 1 : -1]]

        return await self._waited(phone, given.wait, wanted)

    @staticmethod
    async def _waited(phone: Phone, wait: float, wanted: Callable[[], list[Any]]) -> list[Any]:
        """What is there, or comes within `wait` seconds."""
        found = wanted()
        if found or not wait:
            return found
        came = asyncio.Event()
        phone.waiters.add(came.set)
        try:
            async with asyncio.timeout(wait):
                while not (found := wanted()):
                    came.clear()
                    await came.wait()
        except TimeoutError:
            return []
        finally:
            phone.waiters.discard(came.set)
        return found

    async def _get_media(self, given: p.GetMedia) -> dict[str, Any]:
        phone = self._find.phone(given)
        letter = next((entry for entry in phone.inbox if entry.id == given.id), None)
        if letter is None:
            raise NotFound("there is no such message")
        return await asyncio.to_thread(fetch, self._media, letter.raw, given.file)

    async def _read(self, given: p.Read) -> dict[str, Any]:
        return {"read": self._find.online_phone(given).mark_read(given.ids)}

    async def _typing(self, given: p.Typing) -> dict[str, Any]:
        phone = self._find.online_phone(given)
        phone.typing(self._find.address(given.tenant, given.to), given.state)
        return {}

    async def _presence(self, given: p.Presence) -> dict[str, Any]:
        phone = self._find.online_phone(given)
        self._announce(phone, given.available)
        return self._find.show(phone.account)

    def _announce(self, phone: Phone, available: bool) -> None:
        phone.available = available
        account = phone.account
        seen = self._network.is_available(account)
        presence.changed(self._network, account, available=seen)

    async def _online(self, given: p.Online) -> dict[str, Any]:
        phone = self._find.phone(given)
        return {"waited": self._network.phones.set_online(phone, given.online)}

    async def _forget_sessions(self, given: p.OnePhone) -> dict[str, Any]:
        """The phone can decrypt nothing any more until others start anew."""
        phone = self._find.phone(given)
        phone.forget_sessions()
        return {}

    async def _garble(self, given: p.Garble) -> dict[str, Any]:
        """The phone's next messages do not decrypt at their first attempt."""
        self._find.phone(given).garbled = given.times
        return {}

    async def _picture(self, given: p.SetPicture) -> dict[str, Any]:
        account = self._find.online_phone(given).account
        return {"id": profiles.set_picture(self._network, account, None, given.image)}

    async def _call(self, given: p.Call) -> dict[str, Any]:
        """Somebody's companions ring; their phone too, but it says nothing."""
        caller = self._find.online_phone(given).account
        callee = self._network.directory.find(self._find.address(given.tenant, given.to))
        if callee is None:
            raise NotFound("there is no such contact")
        return {"call": self._network.calls.begin(self._network, caller, callee, video=given.video)}

    async def _hang_up(self, given: p.HangUp) -> dict[str, Any]:
        caller = self._find.online_phone(given).account
        call = self._network.calls.find(given.call)
        if call is None or call.caller is not caller:
            raise NotFound("there is no such call")
        self._network.calls.end(self._network, call.id, "timeout")
        return {}


def _shown(phone: Phone, letter: Letter, raw: bool) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(letter, builtin_types=(bytes,))
    body = fields.pop("raw")
    if raw:
        fields["message"] = content.render(body)
    if letter.type == "pollUpdateMessage":
        fields["vote"] = polls.chosen(phone, letter)
    return fields
