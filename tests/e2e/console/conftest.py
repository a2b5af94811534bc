"""The console in a real browser. Without one these tests are not collected at all: a test that
is skipped for years proves nothing, and CI installs the browser.

One gateway and one browser serve all tests that break neither; each makes its own tenant.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.console.browser import House, Windows, checked, chromium
from tests.support.gateway import Gateway
from tests.support.places import short_place

collect_ignore_glob = [] if shutil.which("chromium") else ["test_*.py"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path (Unix sockets live in it)."""
    with short_place() as directory:
        yield directory


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house() -> AsyncIterator[House]:
    """A running gateway for tests that leave it as it is."""
    settings = {
        "WA_SESSIONS_WORKERS": "2",
        "WA_WEBHOOKS_ALLOW_HTTP": "true",
        "WA_WEBHOOKS_ALLOW_PRIVATE": "127.0.0.1",
        "WA_WEBHOOKS_RETRY_SECONDS": "0.2,0.2",
    }
    async with Gateway.own(**settings) as gateway:
        yield House(gateway)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's chromium."""
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def windows(browser: Browser) -> AsyncIterator[Windows]:
    """Windows of different people; none may have complained in the end."""
    async with checked(browser) as opened:
        yield opened
