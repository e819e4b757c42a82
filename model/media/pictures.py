"""Picture files to pictures of one kind: RGB, upright, of a size that can be kept in memory."""

import math
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from model.media.files import UnreadableMedia, refuse_disguise

SHORTER_SIDE, LONGER_SIDE = 256, 1024
"""Pixels; encoders read 224 or so of each."""
MAX_PIXELS = 100_000_000
"""A picture of 8K has 33 million; more than this is a bomb or a map."""
MAX_RATIO = 50
"""Longer to shorter side: a strip would be blown up by encoders that resize the shorter side."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "ICO", "PPM", "JPEG2000")
"""All others are refused unread: some decoders start other programs."""

DAMAGED = (
    OSError,
    SyntaxError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)
"""What Pillow's decoders raise when bytes are missing or wrong."""


def read_picture(path: Path) -> Image.Image:
    """The picture in a file: RGB, turned as its EXIF says, on white where it is transparent, of a
    size as in `reduced`; of an animation the first frame.

    Raises UnreadableMedia if it is none, damaged or too large, and OSError if there is no file.
    """
    refuse_disguise(path, "picture")
    with path.open("rb") as file:
        try:
            picture = Image.open(file, formats=FORMATS)
            check_size(*picture.size, MAX_PIXELS)
            return _plain(picture)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise UnreadableMedia(_too_large(MAX_PIXELS)) from error
        except UnidentifiedImageError as error:
            known = ", ".join(FORMATS)
            raise UnreadableMedia(f"not a picture, or not of a known kind ({known})") from error
        except UnreadableMedia:
            raise
        except DAMAGED as error:
            raise UnreadableMedia("the picture is damaged or cut off") from error


def check_size(width: int, height: int, most: int) -> None:
    """Raise UnreadableMedia for no pixels, for more than `most`, and for strips."""
    if width < 1 or height < 1:
        raise UnreadableMedia("there are no pixels in it")
    if width * height > most:
        raise UnreadableMedia(f"{_too_large(most)}; it has {width} x {height}")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise UnreadableMedia(f"a strip of {width} x {height} pixels: too narrow to be read")


def _too_large(most: int) -> str:
    return f"too large: more than {most // 1_000_000} million pixels"


def reduced(width: int, height: int) -> tuple[int, int]:
    """Width and height with the shorter side at most SHORTER_SIDE, the longer at most LONGER_SIDE,
    at about the same ratio."""
    scale = min(1.0, SHORTER_SIDE / min(width, height), LONGER_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _plain(picture: Image.Image) -> Image.Image:
    """An opened picture as `read_picture` describes it."""
    # Asks the JPEG decoder for an eighth to a half of the size: ten times faster with large ones.
    picture.draft(None, reduced(*picture.size))
    picture = _eight_bits(picture)
    transparent = picture.has_transparency_data
    picture = picture.convert("RGBA" if transparent else "RGB")
    picture.thumbnail(reduced(*picture.size), reducing_gap=None)
    if transparent:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    return ImageOps.exif_transpose(picture)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey pictures of 16 bits (which Pillow would cut off at 255) or of floats, in 8 bits."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture, dtype=np.float32)
    low, high = (0.0, 65535.0) if picture.mode[0] == "I" else (values.min(), values.max())
    if not math.isfinite(high - low):
        raise UnreadableMedia("its pixels are not all numbers")
    shares = (values - low) / max(high - low, 1e-12)
    return Image.fromarray((255 * shares).clip(0, 255).round().astype(np.uint8))
