"""QR codes as pictures."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from wa_api.http.qr import draw, form_for


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("image/png", "png"),
        ("image/*", "png"),
        ("image/svg+xml", "svg"),
        ("text/plain", "text"),
        ("text/html,image/avif,image/png;q=0.8,*/*;q=0.5", "png"),
        ("image/png;q=0.2, image/svg+xml;q=0.9", "svg"),
        ("image/png;q=x", "json"),
    ],
)
def test_the_accept_header_chooses_the_form(accept: str, form: str) -> None:
    """The best of what the client takes; JSON when it does not care."""
    assert form_for(accept) == form


async def test_a_code_is_drawn_in_each_form() -> None:
    """PNG with a quiet zone, SVG, and text for a terminal."""
    code = "2@" + "x" * 230
    png, kind = await draw(code, "png")
    assert kind == "image/png"
    picture = Image.open(io.BytesIO(png))
    assert picture.size[0] == picture.size[1] > 100
    assert picture.convert("L").getpixel((0, 0)) == 255
    svg, kind = await draw(code, "svg")
    assert kind == "image/svg+xml"
    assert b"<svg" in svg
    text, kind = await draw(code, "text")
    assert kind.startswith("text/plain")
    lines = text.decode().splitlines()
    assert len(lines) > 20
    assert len({len(line) for line in lines if line}) == 1
