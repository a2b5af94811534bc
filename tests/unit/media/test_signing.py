"""Links are good for what they were made for, and for a short time."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlsplit

import pytest

from wa_api.domain.errors import MediaExpired
from wa_api.media.signing import Signer


def parts(link: str) -> dict[str, str]:
    """The query of a link."""
    return dict(parse_qsl(urlsplit(link).query))


def test_a_link_opens_what_it_was_made_for() -> None:
    """Until it ends; a second process with the same secret agrees."""
    link, ends = Signer("secret", 300).link("ten_1", "med_1")
    said = parts(link)
    assert time.time() + 300 <= ends <= time.time() + 600
    assert link.startswith("/v1/media/med_1/content?")
    Signer("secret", 300).check("ten_1", "med_1", int(said["expires"]), said["signature"])


@pytest.mark.parametrize(
    "change",
    [
        *({"tenant": "ten_2"}, {"media": "med_2"}, {"expires": 1}, {"expires": 1 << 40}),
        *({"signature": ""}, {"signature": "señal"}),
    ],
    ids=lambda one: str(one),
)
def test_any_change_breaks_it(change: dict[str, str | int]) -> None:
    """Tenant, media and time are all signed."""
    signer = Signer("secret", 300)
    link, ends = signer.link("ten_1", "med_1")
    asked = {
        "tenant": "ten_1",
        "media": "med_1",
        "expires": ends,
        "signature": parts(link)["signature"],
    }
    with pytest.raises(MediaExpired):
        signer.check(**asked | change)  # type: ignore[arg-type]


def test_an_old_link_is_over() -> None:
    """Though its signature is right."""
    signer = Signer("secret", 300)
    link, ends = signer.link("ten_1", "med_1", now=time.time() - 3600)
    with pytest.raises(MediaExpired):
        signer.check("ten_1", "med_1", ends, parts(link)["signature"])


def test_a_link_stays_the_same_for_a_while() -> None:
    """So that a page that is drawn again finds the picture in the browser's cache."""
    signer = Signer("secret", 300)
    assert signer.link("t", "m", now=6000.0) == signer.link("t", "m", now=6299.0)
    assert signer.link("t", "m", now=6000.0) != signer.link("t", "m", now=6300.0)
