"""neonize as this gateway uses it: one thread per connection, callbacks in order, no surprises.

This is the only module that imports neonize; `proto` and `wa` are its protobuf messages,
`enum` its enumerations.

neonize's own `connect` is not used. Its asyncio client starts handlers as unordered tasks and
takes a thread of the loop's default executor for each connection; its blocking client wakes five
times a second; neither tells that a pairing failed. The Go function below them does: it reports
QR codes, the end of the pairing and every event through callbacks on the thread that called it,
and takes no further event before the callback returned.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import logging
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import structlog

from wa_api.domain.media import MediaKind
from workers.engine.memory import Memory
from workers.engine.port import EngineUnusable

log = structlog.get_logger()


def _load(module: str) -> Any:
    try:
        return importlib.import_module(f"neonize.{module}")
    except Exception as error:
        raise EngineUnusable(f"The WhatsApp library cannot be loaded: {error}") from error


def _stand_in_for_magic() -> None:
    """Make neonize importable on machines without libmagic, which only its media helpers use."""
    try:
        importlib.import_module("magic")
    except ImportError:

        def missing(*_: object, **__: object) -> str:
            raise RuntimeError("Install libmagic (Debian: libmagic1) to have media types guessed.")

        sys.modules["magic"] = ModuleType("magic")
        sys.modules["magic"].__dict__.update(from_buffer=missing, from_file=missing)


def _restore_root_logger() -> None:
    # The import adds a handler to the root logger and sets its level to INFO.
    handler = _load("utils.log").stream_handler
    root = logging.getLogger()
    if handler in root.handlers:
        root.removeHandler(handler)
        root.setLevel(logging.WARNING)


@contextmanager
def _without_uname() -> Iterator[None]:
    """Answer what the import would start several `uname` processes for (and leave unreaped)."""
    popen = os.popen
    os.popen = lambda *_, **__: io.StringIO(" ".join(os.uname()))  # type: ignore[assignment]
    try:
        yield
    finally:
        os.popen = popen


_stand_in_for_magic()
with _without_uname():
    proto = _load("proto.Neonize_pb2")
    wa = _load("proto.waE2E.WAWebProtobufsE2E_pb2")
    _device_props = _load("proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2").DeviceProps
    _binder = _load("_binder")
    _client = _load("client")
    enum = _load("utils.enum")
    _message_classes: dict[int, Any] = _load("events").INT_TO_EVENT
    #: File name of the loaded library.
    LIBRARY: str = _load("utils.platform").generated_name()
_restore_root_logger()

#: Event numbers of neonize's callback that are subscribed to (see its `EVENT_TO_INT`).
#: 1, all codes at once, is left out: the QR callback gives each code when it becomes valid.
#: 14 to 16 are not shown by this version.
SUBSCRIBED = (*range(2, 14), *range(17, 24), 30, *range(32, 37), 40, 42, 44)

_LOG_LEVEL = b"WARN"

#: Which keys a kind of file is encrypted with (neonize's `MediaType`).
_MEDIA_TYPES = {
    MediaKind.IMAGE: 0,
    MediaKind.STICKER: 0,
    MediaKind.VIDEO: 1,
    MediaKind.AUDIO: 2,
    MediaKind.VOICE: 2,
    MediaKind.DOCUMENT: 3,
}


class Callbacks(Protocol):
    """Called on the connection's thread; the library waits until they return."""

    def on_qr(self, code: str) -> None:
        """A QR code became valid."""

    def on_pairing(self, status: str) -> None:
        """The pairing ended: `success`, `timeout`, `error`, …"""

    def on_event(self, event: Any) -> None:
        """An event as neonize's protobuf message; a `Device` first of all."""


def check_process(ca_file: Path | None) -> None:
    """Raise EngineUnusable unless the process was started with the environment that Go needs.

    Go reads both variables when the process is executed, so setting them later is useless.
    """
    start = Path("/proc/self/environ").read_bytes().split(b"\0")
    if b"GOMAXPROCS=1" not in start:
        raise EngineUnusable(
            "Start this process with GOMAXPROCS=1 in its environment: with more than one Go "
            "processor the WhatsApp library can abort it at any time (concurrent map writes)."
        )
    if ca_file is not None and b"SSL_CERT_FILE=" + os.fsencode(ca_file) not in start:
        raise EngineUnusable(
            f"Start this process with SSL_CERT_FILE={ca_file} in its environment: the network's "
            "certificates are checked against that file."
        )


class Client:
    """One connection: made, run once on a thread of its own, stopped.

    `uuid` must be fresh: the library confuses clients that share one, even one after the other.
    The object must stay referenced until its thread ended.
    """

    def __init__(
        self, address: str, uuid: str, device_name: str, proxy_url: str | None = None
    ) -> None:
        """`address` is the device store's name as the library wants it (see `stores`)."""
        self._go: Any = _binder.gocode
        self._props = _device_props(os=device_name, platformType=_device_props.CHROME)
        self._api: Any = _client.NewClient(address, props=self._props, uuid=uuid)
        self._address, self._uuid, self._proxy_url = address, uuid.encode(), proxy_url
        self._references: tuple[Any, ...] = ()
        self.memory = Memory()

    def run(self, callbacks: Callbacks) -> str:
        """Connect and stay connected; returns when stopped, with an error text or "".

        Blocks its thread. When it returns at once with an error, the first dial failed.
        """
        wanted = bytearray(SUBSCRIBED)
        subscribed = (ctypes.c_char * len(wanted)).from_buffer(wanted)
        props = self._props.SerializeToString()
        proxy = None
        if self._proxy_url:
            proxy = _binder.ProxySettings(proxy_address=self._proxy_url)._to_c_struct()  # noqa: SLF001
        on_qr = _binder.func_string(_guarded(lambda _, at: callbacks.on_qr(_text(at))))
        on_pairing = _binder.func_string(_guarded(lambda _, at: callbacks.on_pairing(_text(at))))
        on_event = _binder.func_callback_bytes(
            _guarded(
                lambda _, at, size, code: callbacks.on_event(
                    _message_classes[code].FromString(ctypes.string_at(at, size))
                )
            )
        )
        on_log = _binder.func_callback_bytes2(_guarded(_log_line))
        # The library keeps bare pointers: all of this must live until the call returns.
        self._references = (wanted, subscribed, proxy, on_qr, on_pairing, on_event, on_log)
        error: bytes = self._go.Neonize(
            self._address.encode(),
            self._uuid,
            b"",
            0,
            0,
            _LOG_LEVEL,
            on_qr,
            on_pairing,
            on_event,
            on_log,
            subscribed,
            len(wanted),
            props,
            len(props),
            b"",
            0,
            ctypes.byref(proxy) if proxy is not None else None,
        )
        return error.decode(errors="replace")

    def disconnect(self) -> None:
        """Close the connection, keep the client: what it holds already still comes out."""
        self._go.Disconnect(self._uuid)

    def stop(self) -> None:
        """Forget the client. Harmless for one that is stopped or was never run."""
        self._go.Stop(self._uuid)

    def pair_phone(self, phone: str) -> str:
        """A pairing code for the phone number (digits). Raises LibraryError."""
        # WhatsApp accepts display names of the form "Browser (System)" only; 1 means Chrome.
        asked = proto.PairPhoneParams(
            phone=phone,
            showPushNotification=True,
            clientType=1,
            clientDisplayName="Chrome (Linux)",
        ).SerializeToString()
        answer = proto.PairPhoneReturnFunction.FromString(
            self._go.PairPhone(self._uuid, asked, len(asked))
        )
        if answer.Error:
            raise LibraryError(answer.Error)
        return str(answer.Code)

    def me(self) -> Any:
        """The linked device (`proto.Device`)."""
        return self._api.get_me()

    def send(self, to: Any, message: Any) -> tuple[str, float]:
        """Send a `wa.Message`: WhatsApp's id and time (Unix seconds). Raises LibraryError."""
        with _library_errors():
            answer = self._api.send_message(to, message)
        return str(answer.ID), float(answer.Timestamp)

    def upload(self, path: Path, kind: MediaKind) -> Any:
        """Encrypt a file and bring it to the media servers (`proto.UploadResponse`).

        The library takes a whole file at once and copies it, so it is mapped and not read.
        Raises LibraryError.
        """
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as view:
            content = (ctypes.c_char * len(view)).from_buffer(view)
            try:
                at = ctypes.cast(ctypes.addressof(content), ctypes.c_char_p)
                said = self._go.Upload(self._uuid, at, len(view), _MEDIA_TYPES[kind])
            finally:
                del content  # or the mapping cannot be closed
        answer = proto.UploadReturnFunction.FromString(said)
        if answer.Error:
            raise LibraryError(answer.Error)
        return answer.UploadResponse

    def poll_vote(self, event: Any) -> Any:
        """The options' hashes in a vote's message event (`wa.PollVoteMessage`).

        Raises LibraryError. (The library's own method takes the answer for what it is not.)
        """
        asked = event.SerializeToString()
        at = self._go.DecryptPollVote(self._uuid, asked, len(asked))
        try:
            answer = proto.ReturnFunctionWithError.FromString(at.contents.get_bytes())
        finally:
            self._go.FreeBytesStruct(at)
        if answer.Error:
            raise LibraryError(answer.Error)
        return answer.PollVoteMessage

    def mark_read(self, chat: Any, sender: Any, wa_ids: list[str]) -> None:
        """Send read receipts. Raises LibraryError."""
        with _library_errors():
            self._api.mark_read(*wa_ids, chat=chat, sender=sender, receipt=enum.ReceiptType.READ)

    def typing(self, chat: Any, state: str) -> None:
        """Show `typing`, `recording` or `paused`. Raises LibraryError."""
        states, media = enum.ChatPresence, enum.ChatPresenceMedia
        active = (
            states.CHAT_PRESENCE_PAUSED if state == "paused" else states.CHAT_PRESENCE_COMPOSING
        )
        kind = (
            media.CHAT_PRESENCE_MEDIA_AUDIO
            if state == "recording"
            else media.CHAT_PRESENCE_MEDIA_TEXT
        )
        with _library_errors():
            self._api.send_chat_presence(chat, active, kind)

    def presence(self, online: bool) -> None:
        """Show the account as online or not. Raises LibraryError."""
        with _library_errors():
            self._api.send_presence(
                enum.Presence.AVAILABLE if online else enum.Presence.UNAVAILABLE
            )

    def do(self, method: str, *args: Any) -> Any:
        """Call a method of the library's client by its name. Raises LibraryError."""
        with _library_errors():
            return getattr(self._api, method)(*args)

    def go(self, function: str, *args: Any) -> bytes:
        """Call a function below that client, where the client's own method is broken."""
        answer: bytes = getattr(self._go, function)(self._uuid, *args)
        return answer

    def set_disappearing(self, chat: Any, seconds: int) -> None:
        """Let messages of a chat or group vanish after so long (0: never). Raises LibraryError.

        The client's own method mistakes the units, and tells the other side a time in 1970.
        """
        jid, now = chat.SerializeToString(), round(time.time() * 1000)
        error = self.go("SetDisappearingTimer", jid, len(jid), seconds * 10**9, now)
        if error:
            raise LibraryError(error.decode(errors="replace"))

    def other_address(self, jid: Any) -> Any:
        """The LID of a phone number, or the reverse, as far as the device store knows it."""
        lookup = "get_pn_from_lid" if jid.Server == "lid" else "get_lid_from_pn"
        with contextlib.suppress(LibraryError):
            found = self.do(lookup, jid)
            return found if found.User else None
        return None

    def contacts(self) -> Any:
        """All `proto.Contact`s in the device store, saved or only met. Raises LibraryError."""
        with _library_errors():
            return self._api.contact.get_all_contacts()

    def logout(self) -> None:
        """Remove the link on the phone and delete the device. Raises LibraryError."""
        with _library_errors():
            self._api.logout()


def library_version() -> str:
    """The library's version: a call that only needs its runtime to run."""
    return str(_binder.gocode.GetVersion().decode(errors="replace"))


class LibraryError(Exception):
    """The library answered with an error text (which may quote addresses)."""


@contextmanager
def _library_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # neonize raises a class per call, and bare ones too
        text = error.args[0] if error.args else ""
        text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        raise LibraryError(text) from error


def _text(at: int) -> str:
    return ctypes.string_at(at).decode(errors="replace")


def _guarded(function: Callable[..., None]) -> Callable[..., None]:
    # An exception in a ctypes callback would only be printed, past every log.
    def call(*args: Any) -> None:
        try:
            function(*args)
        except Exception:
            log.exception("engine.callback_failed")

    return call


def _log_line(at: int, size: int) -> None:
    line = proto.LogEntry.FromString(ctypes.string_at(at, size))
    log.debug("engine.library_log", level=line.Level, part=line.Name, line=line.Message)


def park() -> None:
    """Hold the calling thread for ever.

    After a failed pairing the library would wait for a device that never comes, reading a client
    that `stop` deletes (which aborts the process); its thread is kept from getting there.
    """
    threading.Event().wait()
