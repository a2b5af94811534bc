"""Pictures: looked into and converted with Pillow. Runs in the workshop only."""

from __future__ import annotations

import io
import warnings
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from wa_api.domain.media import MOST_BYTES, STICKER_SIDE, Facts, MediaKind
from wa_api.media.jobs import Refused

#: More is a decompression bomb: 50 megapixels are 200 MB decoded.
MOST_PIXELS = 50_000_000
#: Frames that an animated sticker may have, and what each shows at least (milliseconds).
MOST_FRAMES, LEAST_FRAME = 150, 8
AVATAR_SIDE = 640  #: pixels that WhatsApp keeps of a profile's or group's picture
THUMBNAIL = 96  #: the longer side, pixels

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture; whatever is wrong with it, when opening or later, becomes Refused."""
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with warnings.catch_warnings(), Image.open(path, formats=_FORMATS) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        detail = f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels."
        raise Refused("media_too_complex", detail) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError):
        raise Refused("media_damaged", "The picture is cut off or damaged.") from None


def inspect(path: Path) -> Facts:
    """Decode a picture; its size as seen (turned as its camera says), and a thumbnail."""
    with _opened(path) as image:
        animated = bool(getattr(image, "is_animated", False))
        width, height = image.size
        if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # on its side
            width, height = height, width
        image.draft("RGB", (THUMBNAIL * 2, THUMBNAIL * 2))
        return Facts(width=width, height=height, animated=animated, thumbnail=_thumbnail(image))


def _thumbnail(image: Image.Image) -> str:
    small: Any = ImageOps.exif_transpose(image)
    small = _on_white(small)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    made = io.BytesIO()
    small.save(made, "JPEG", quality=60)
    return b64encode(made.getvalue()).decode()


def _on_white(image: Any) -> Any:
    if image.mode == "RGB":
        return image
    clear = image.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(white, clear).convert("RGB")


def convert(path: Path, out: Path, task: str) -> str:
    """Make a JPEG (`image`), a square one (`avatar`) or a sticker of a picture; its type."""
    with _opened(path) as image:
        if task == "sticker":
            _sticker(image, out)
            return "image/webp"
        turned: Any = _on_white(ImageOps.exif_transpose(image))
        if task == "avatar":
            side = min(AVATAR_SIDE, *turned.size)
            turned = ImageOps.fit(turned, (side, side))
        turned.save(out, "JPEG", quality=90)
        return "image/jpeg"


def _sticker(image: Image.Image, out: Path) -> None:
    shown = list(islice(ImageSequence.Iterator(image), MOST_FRAMES + 1))
    if len(shown) > MOST_FRAMES:
        raise Refused("media_too_complex", f"A sticker has at most {MOST_FRAMES} frames.")
    frames, lengths = [], []
    for frame in ImageSequence.Iterator(image):
        frames.append(_square(frame))
        lengths.append(max(LEAST_FRAME, int(frame.info.get("duration") or 100)))
    moving: dict[str, Any] = {}
    if len(frames) > 1:
        moving = {"save_all": True, "append_images": frames[1:], "duration": lengths, "loop": 0}
    for quality in (80, 50, 20):
        frames[0].save(out, "WEBP", quality=quality, method=4, **moving)
        if out.stat().st_size <= MOST_BYTES[MediaKind.STICKER]:
            return
    raise Refused("media_too_large", "The sticker is too large, however it is compressed.")


def _square(frame: Any) -> Any:
    side = (STICKER_SIDE, STICKER_SIDE)
    inside = ImageOps.contain(ImageOps.exif_transpose(frame).convert("RGBA"), side)
    square = Image.new("RGBA", side, (0, 0, 0, 0))
    place = ((STICKER_SIDE - inside.width) // 2, (STICKER_SIDE - inside.height) // 2)
    square.paste(inside, place)
    return square
