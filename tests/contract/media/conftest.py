"""One suite for both stores of media: a directory, and a server that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from s3 import KEY_ID, SECRET, new_bucket, s3_server

from wa_api.media.drafts import Drafts
from wa_api.media.files import Files, LocalFiles
from wa_api.media.s3 import S3Files, S3Options


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """A server of these tests' own."""
    with s3_server() as url:
        yield url


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    """Where files come in."""
    return Drafts(tmp_path / "media" / "drafts")


@pytest.fixture(params=["directory", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path, drafts: Drafts) -> Files:
    """An empty store."""
    if request.param == "directory":
        return LocalFiles(tmp_path / "media")
    url = request.getfixturevalue("s3_url")
    options = S3Options(
        bucket=new_bucket(url),
        prefix="some/where",
        endpoint=url,
        access_key_id=KEY_ID,
        secret_access_key=SECRET,
    )
    return S3Files(options, drafts)
