"""The listening socket, owned by the parent: it outlives every HTTP worker."""

from __future__ import annotations

import errno
import os
import socket

from config.settings import WrongSetting

#: Connections that may wait while no HTTP worker takes them (the kernel may allow fewer).
BACKLOG = 2048


def open_listener(host: str, port: int) -> socket.socket:
    """Listen on an address; raises WrongSetting. Connections wait in its queue, not in a worker's,
    so that those that arrive while a worker is dead are answered by the next.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise WrongSetting(f"WA_HTTP_HOST: {host} is not an address of this machine.") from None
    family, _, _, _, address = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise WrongSetting(_sentence(error, host, port)) from None
    return listener


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"WA_HTTP_PORT: {port} is in use already; 0 takes a free one."
    if error.errno == errno.EACCES:
        return f"WA_HTTP_PORT: this user may not listen on {port}."
    return f"WA_HTTP_HOST: cannot listen on {host} ({os.strerror(error.errno or 0)})."


def url_of(listener: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
