"""QR codes as pictures: drawn once per code, and off the event loop's way."""

from __future__ import annotations

import asyncio
import io
from functools import lru_cache

import qrcode
from qrcode.constants import ERROR_CORRECT_L
from qrcode.image.pil import PilImage
from qrcode.image.svg import SvgPathImage

_KINDS = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "text": "text/plain; charset=utf-8",
}
#: By media type, in the order of preference when a client takes several.
_BY_ACCEPT = {
    "application/json": "json",
    "image/png": "png",
    "image/svg+xml": "svg",
    "text/plain": "text",
}


def form_for(accept: str) -> str:
    """`json`, `png`, `svg` or `text` for an Accept header; JSON for any other."""
    best, form = 0.0, "json"
    for part in accept.lower().split(","):
        kind, _, parameters = part.partition(";")
        found = _BY_ACCEPT.get(kind.strip()) or ("png" if kind.strip() == "image/*" else None)
        weight = _weight(parameters)
        if found and weight > best:
            best, form = weight, found
    return form


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


@lru_cache(maxsize=256)
def _drawn(code: str, form: str) -> bytes:
    # The choice of the best of eight masks is two thirds of the work; any mask can be read.
    drawing = qrcode.QRCode(error_correction=ERROR_CORRECT_L, border=4, mask_pattern=3)
    drawing.add_data(code)
    drawing.make(fit=True)
    if form == "text":
        text = io.StringIO()
        drawing.print_ascii(out=text, invert=True)
        return text.getvalue().encode()
    out = io.BytesIO()
    if form == "svg":
        drawing.make_image(image_factory=SvgPathImage).save(out)
    else:
        drawing.make_image(image_factory=PilImage).save(out, format="PNG")
    return out.getvalue()


async def draw(code: str, form: str) -> tuple[bytes, str]:
    """The picture and its media type. Drawn in a thread, and only once per code."""
    return await asyncio.to_thread(_drawn, code, form), _KINDS[form]
