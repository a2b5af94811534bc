"""A server that speaks S3, in a process of its own (moto's): what the S3 store is tested against."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

import httpx

KEY_ID, SECRET = "test-key-id", "test-secret-key"


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address; everything in it is gone when the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _until_ready(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the S3 server ended"
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/moto-api/", timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the S3 server was not ready in time")


#: The server believes it.
_SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/us-east-1/s3/aws4"}


def new_bucket(url: str) -> str:
    """Make a bucket; its name."""
    name = f"media-{uuid4().hex[:12]}"
    assert httpx.put(f"{url}/{name}", headers=_SIGNED).status_code == 200
    return name


def remove(url: str, bucket: str, key: str) -> None:
    """Remove an object behind the gateway's back."""
    assert httpx.delete(f"{url}/{bucket}/{key}", headers=_SIGNED).status_code == 204
    assert key not in objects(url, bucket)


def objects(url: str, bucket: str) -> list[str]:
    """The keys of everything in a bucket."""
    listed = httpx.get(f"{url}/{bucket}?list-type=2", headers=_SIGNED).text
    return [part.partition("</Key>")[0] for part in listed.split("<Key>")[1:]]
