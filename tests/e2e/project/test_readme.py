"""The README's walk-through, run as it is written."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.gateway import Gateway

pytestmark = pytest.mark.e2e

README = Path(__file__).parents[3] / "README.md"


def walk_through(url: str, token: str) -> str:
    """The block of commands that begins with API=, pointed at a gateway."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    script = next(block for block in blocks if block.startswith("API="))
    assert "THE TOKEN" in script
    return script.replace("http://127.0.0.1:8080", url).replace("THE TOKEN", token)


@pytest.mark.proves("Sandbox without phones", "rest")
async def test_the_walk_through_works() -> None:
    """Copied and pasted: signs in, links, sends, and shows what arrived."""
    async with Gateway.own() as gateway:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", walk_through(gateway.url, gateway.served.token)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 90)
        text = output.decode()
        assert process.returncode == 0, text
        for told in ('"status":"sent"', '"text":"Hello"', '"state":"connected"', "▄"):
            assert told in text, (told, text[-3000:])
