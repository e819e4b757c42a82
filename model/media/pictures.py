"""Picture files to pictures of one kind: RGB, upright, of a size that can be kept in memory."""

import io
import math
import struct
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from model.media.errors import UnreadableMedia
from model.media.files import refuse_disguise

SHORTER_SIDE, LONGER_SIDE = 256, 1024
"""Pixels; encoders read 224 or so of each."""
LARGE_SHORTER_SIDE, LARGE_LONGER_SIDE = 800, 1333
"""The same where boxes are looked for: detectors read so many, or fewer."""
TURNED = (5, 6, 7, 8)
"""Of the EXIF orientations those that lay a picture on its side."""
ORIENTATION = 0x0112
MAX_PIXELS = 100_000_000
"""Telephones take up to this many; a picture with more is a bomb or a map."""
MAX_BYTES = 170_000_000
"""Memory that reading a picture may take: 34 million pixels of 8-bit RGB, as 8K has them."""
MAX_READ_SECONDS = 20.0
"""Wall-clock time for one picture."""

MODE_BYTES = {"1": 6, "L": 6, "P": 6, "RGB": 5, "RGBA": 5, "I": 13, "F": 13}
OTHER_BYTES, TRANSPARENT_BYTES = 9, 4
"""Bytes a pixel that reading takes, working copies included: by Pillow's mode, for all other modes,
and what is added where something is transparent. Measured as the growth of the process."""
FORMAT_BYTES = {"WEBP": 12, "AVIF": 6, "JPEG2000": 15}
"""What is added for decoders that hold the picture once more."""
PROGRESSIVE_BYTES = 7
"""A progressive JPEG is held whole, however small the picture that is asked of it."""
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


@dataclass(frozen=True)
class Page:
    """A picture of a task: its `number` among those of the task, from 0 on, and how large it is in
    its file, in pixels, when it stands upright."""

    picture: Image.Image
    width: int
    height: int
    number: int = 0


class _TimedFile(io.FileIO):
    """A file that raises UnreadableMedia when it is read after `until` (time.monotonic): decoders
    read it piece by piece, so a picture that takes minutes ends in the middle."""

    def __init__(self, path: Path, until: float) -> None:
        super().__init__(path)
        self._until = until

    def readinto(self, buffer: Any) -> int:
        if time.monotonic() > self._until:
            raise UnreadableMedia("it takes too long to read")
        return super().readinto(buffer)


def read_picture(path: Path, *, seconds: float = MAX_READ_SECONDS) -> Image.Image:
    """The picture in a file: RGB, turned as its EXIF says, on white where it is transparent, of a
    size as in `reduced`; of an animation the first frame.

    `seconds` is the wall-clock time that it may take. Raises UnreadableMedia if it is none, damaged
    or too large or if time is up, and OSError if there is no file.
    """
    return _read(path, (SHORTER_SIDE, LONGER_SIDE), seconds).picture


def read_page(path: Path, number: int = 0) -> Page:
    """The same, larger, with its number among the pictures of a task."""
    return replace(_read(path, (LARGE_SHORTER_SIDE, LARGE_LONGER_SIDE)), number=number)


def _read(path: Path, sides: tuple[int, int], seconds: float = MAX_READ_SECONDS) -> Page:
    refuse_disguise(path, "picture")
    with io.BufferedReader(_TimedFile(path, time.monotonic() + seconds)) as file:
        try:
            picture = Image.open(file, formats=FORMATS)
            check_size(*picture.size, MAX_PIXELS)
            return _plain(picture, sides)
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


def reduced(
    width: int, height: int, sides: tuple[int, int] = (SHORTER_SIDE, LONGER_SIDE)
) -> tuple[int, int]:
    """Width and height with the shorter side at most the first of `sides`, the longer at most the
    second, at about the same ratio."""
    scale = min(1.0, sides[0] / min(width, height), sides[1] / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _plain(picture: Image.Image, sides: tuple[int, int]) -> Page:
    """An opened picture as `read_picture` describes it, and its size."""
    # Asks the JPEG decoder for an eighth to a half of the size: ten times faster with large ones.
    width, height = picture.size
    picture.draft(None, reduced(width, height, sides))
    _check_cost(picture, width, height)
    picture = _eight_bits(picture)
    transparent = picture.has_transparency_data
    picture = _in_mode(picture, "RGBA" if transparent else "RGB")
    picture.thumbnail(reduced(*picture.size, sides), reducing_gap=None)
    if transparent:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    is_turned = picture.getexif().get(ORIENTATION) in TURNED
    size = (height, width) if is_turned else (width, height)
    return Page(ImageOps.exif_transpose(picture), *size)


def _check_cost(picture: Image.Image, width: int, height: int) -> None:
    """Raise UnreadableMedia if decoding would take more than MAX_BYTES. width, height: in the file;
    the picture itself may have been asked for at a smaller size."""
    is_progressive = bool(picture.info.get("progressive"))
    cost = picture.width * picture.height * _bytes_per_pixel(picture)
    cost += width * height * PROGRESSIVE_BYTES * is_progressive
    if cost > MAX_BYTES:
        kind = " ".join([*["progressive"] * is_progressive, str(picture.format)])
        raise UnreadableMedia(
            f"too large: to read {width} x {height} pixels of this kind ({kind}, {picture.mode}) "
            f"takes {cost // 1_000_000} MB of memory, and {MAX_BYTES // 1_000_000} MB are allowed. "
            "Replace it with a smaller picture"
        )


def _bytes_per_pixel(picture: Image.Image) -> int:
    transparency = TRANSPARENT_BYTES if picture.has_transparency_data else 0
    decoder = FORMAT_BYTES.get(str(picture.format), 0)
    return MODE_BYTES.get(picture.mode, OTHER_BYTES) + transparency + decoder


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    return picture if picture.mode == mode else picture.convert(mode)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey pictures of 16 bits (which Pillow would cut off at 255) or of floats, in 8 bits."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.array(picture, dtype=np.float32)
    low, high = (0.0, 65535.0) if picture.mode[0] == "I" else (values.min(), values.max())
    if not math.isfinite(high - low):
        raise UnreadableMedia("its pixels are not all numbers")
    values -= low  # in place: each copy would take four bytes a pixel
    values *= 255 / max(high - low, 1e-12)
    return Image.fromarray(values.clip(0, 255, out=values).round(out=values).astype(np.uint8))
