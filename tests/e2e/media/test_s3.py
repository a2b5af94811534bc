"""A whole gateway that keeps media in S3, on a machine without ffmpeg."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.media.conftest import Stage, on_stage, sha256
from tests.support.s3 import KEY_ID, SECRET, new_bucket, objects, remove, s3_server
from tests.support.samples import picture, sample, tone

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PHOTO = picture("JPEG", (90, 45))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stage, str, str]]:
    """The stage, the server's address and the bucket. No program is found but the tests' own."""
    with s3_server() as url:
        bucket = new_bucket(url)
        settings = {
            "WA_MEDIA_URL": f"s3://{bucket}/gateway",
            "WA_MEDIA_S3_ENDPOINT": url,
            "WA_MEDIA_S3_ACCESS_KEY_ID": KEY_ID,
            "WA_MEDIA_S3_SECRET_ACCESS_KEY": SECRET,
        }
        empty = tmp_path_factory.mktemp("empty")
        before, os.environ["PATH"] = os.environ["PATH"], str(empty)
        try:
            async with on_stage(**settings) as stage:
                yield stage, url, bucket
        finally:
            os.environ["PATH"] = before


@pytest.mark.proves("Media: download, S3, retention", "rest")
async def test_a_file_goes_through_s3_both_ways(place: tuple[Stage, str, str]) -> None:
    """Sent from there, received into it, read in parts out of it, and removed from it."""
    stage, url, bucket = place
    message = await stage.send("image", id=await stage.media(PHOTO))
    assert (await stage.delivered(message))[1]["sha256"] == sha256(PHOTO)
    arrived = await stage.phone_sends("image", picture("JPEG", (45, 90)))
    media = (await stage.stored(arrived))["media"]
    path = f"/v1/media/{media}/content"
    part = await stage.client.get(path, headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.content) == (206, picture("JPEG", (45, 90))[:100])
    kept = objects(url, bucket)
    assert sorted(key.rpartition("/")[2] for key in kept) == sorted(
        [sha256(PHOTO), sha256(picture("JPEG", (45, 90)))]
    )
    assert all(key.startswith(f"gateway/{stage.tenant.id}/") for key in kept)
    assert (await stage.client.delete(f"/v1/media/{media}")).status_code == 204
    assert len(objects(url, bucket)) == 1
    assert stage.left() == []


async def test_a_part_of_s3_that_is_lost_is_said(place: tuple[Stage, str, str]) -> None:
    """404 rather than an empty file."""
    stage, url, bucket = place
    made = (await stage.upload(picture("PNG", (31, 31)))).json()
    (key,) = [one for one in objects(url, bucket) if one.endswith(made["sha256"])]
    remove(url, bucket, key)
    answer = await stage.client.get(made["url"])
    assert (answer.status_code, answer.json()["code"]) == (404, "media_not_found")


@pytest.mark.parametrize(
    ("kind", "content", "more"),
    [
        ("audio", tone(2), {"voice": True}),
        ("audio", tone(2), {}),
        ("video", sample("clip.webm"), {}),
    ],
    ids=["voice", "sound", "video"],
)
async def test_what_needs_ffmpeg_fails_and_says_so(
    place: tuple[Stage, str, str], kind: str, content: bytes, more: dict[str, bool]
) -> None:
    """A clear error, and nothing that no phone could play goes out."""
    stage = place[0]
    message = await stage.send(kind, id=await stage.media(content), **more)
    assert (message["status"], message["error"]["code"]) == ("failed", "conversion_unavailable")
    assert "ffmpeg" in message["error"]["detail"]


@pytest.mark.parametrize(
    ("kind", "content", "more", "seconds"),
    [
        ("audio", sample("voice.ogg"), {"voice": True}, 2),
        ("video", sample("clip.mp4"), {}, 1),
        ("audio", sample("tone.mp3"), {}, 1),
    ],
    ids=["voice", "video", "sound"],
)
async def test_what_is_ready_goes_out_without_ffmpeg(
    place: tuple[Stage, str, str],
    kind: str,
    content: bytes,
    more: dict[str, bool],
    seconds: int,
) -> None:
    """With its length, which is read in Python."""
    stage = place[0]
    message = await stage.send(kind, id=await stage.media(content), **more)
    received, file = await stage.delivered(message)
    assert (file["sha256"], received[f"{kind}Message"]["seconds"]) == (sha256(content), seconds)
