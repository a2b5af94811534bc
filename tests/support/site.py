"""A web site of a few pages, for tests that fetch from one."""

from __future__ import annotations

from collections.abc import Mapping


def answer(pages: Mapping[str, tuple[str, bytes]], path: str) -> bytes:
    """The HTTP answer for a path; `pages` are types and bodies."""
    if path not in pages:
        return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    mimetype, body = pages[path]
    return f"HTTP/1.1 200 OK\r\ncontent-type: {mimetype}\r\n\r\n".encode() + body
