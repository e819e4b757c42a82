import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.media.errors import UnreadableMedia
from model.media.pictures import SHORTER_SIDE, read_picture

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret-folder-name"


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


def half_red_half_blue() -> Image.Image:
    picture = Image.new("RGB", (40, 20), RED)
    picture.paste(BLUE, (20, 0, 40, 20))
    return picture


def png_header(width: int, height: int, bits: int = 8, colours: int = 2) -> bytes:
    """A PNG that claims this many pixels and has none; colours: 0 for grey, 2 for RGB."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    begin = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    return begin + struct.pack(">I", zlib.crc32(header)) + struct.pack(">I", 9) + b"IDAT"


def colours(path: Path, *places: tuple[int, int]) -> list[tuple[int, ...]]:
    picture = read_picture(path)
    assert picture.mode == "RGB"
    found = [picture.getpixel(place) for place in places]
    return [pixel for pixel in found if isinstance(pixel, tuple)]


def test_a_small_picture_stays_as_it_is(file: Path) -> None:
    file.write_bytes(encoded(half_red_half_blue(), "PNG"))
    assert read_picture(file).size == (40, 20)
    assert colours(file, (0, 0), (39, 19)) == [RED, BLUE]


@pytest.mark.parametrize(("kind", "size"), [("PNG", (1024, 512)), ("JPEG", (3000, 1500))])
def test_a_large_picture_is_shrunk_at_its_ratio(
    file: Path, kind: str, size: tuple[int, int]
) -> None:
    file.write_bytes(encoded(half_red_half_blue().resize(size), kind))
    picture = read_picture(file)
    assert picture.size == (2 * SHORTER_SIDE, SHORTER_SIDE)
    left, right = np.asarray(picture)[:, 100].mean(axis=0), np.asarray(picture)[:, 400].mean(axis=0)
    np.testing.assert_allclose([left, right], [RED, BLUE], atol=4)


def test_a_picture_of_8k_is_read(file: Path) -> None:
    file.write_bytes(encoded(Image.new("RGB", (7680, 4320), RED), "JPEG"))
    assert read_picture(file).size == (455, SHORTER_SIDE)


def test_a_telephone_held_upright_gives_an_upright_picture(file: Path) -> None:
    """Orientation 6: to be turned a quarter to the right, so that the left side is on top."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file.write_bytes(encoded(half_red_half_blue(), "PNG", exif=exif))
    assert read_picture(file).size == (20, 40)
    assert colours(file, (5, 0), (5, 39)) == [RED, BLUE]


def test_what_is_transparent_stands_on_white(file: Path) -> None:
    picture = half_red_half_blue().convert("RGBA")
    picture.paste((0, 0, 255, 0), (20, 0, 40, 20))
    file.write_bytes(encoded(picture, "PNG"))
    assert colours(file, (0, 0), (39, 19)) == [RED, WHITE]


def test_a_palette_may_have_a_transparent_colour(file: Path) -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 255, 255, 0, 0])
    picture.putpixel((0, 0), 0)
    file.write_bytes(encoded(picture, "PNG", transparency=0))
    assert colours(file, (0, 0), (3, 3)) == [WHITE, RED]


def test_sixteen_bits_of_grey_become_eight(file: Path) -> None:
    """Pillow's own conversion makes all from 255 on white."""
    grey = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    file.write_bytes(encoded(Image.fromarray(grey), "PNG"))
    found = colours(file, (0, 0), (1, 0), (2, 0), (3, 0))
    assert found == [(0, 0, 0), (1, 1, 1), (128, 128, 128), WHITE]


def test_floats_are_stretched_from_black_to_white(file: Path) -> None:
    file.write_bytes(encoded(Image.fromarray(np.array([[-1, 0, 1]], dtype=np.float32)), "TIFF"))
    assert colours(file, (0, 0), (1, 0), (2, 0)) == [(0, 0, 0), (128, 128, 128), WHITE]


def test_the_first_frame_of_an_animation_counts(file: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    file.write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert colours(file, (4, 4)) == [RED]


def test_the_colours_of_print_become_rgb(file: Path) -> None:
    file.write_bytes(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "TIFF"))
    assert colours(file, (8, 8)) == [RED]


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><title>404", "an HTML page instead of a picture"),
        (b"<!-- login --><HTML>", "an HTML page instead of a picture"),
        (b'<?xml version="1.0"?>\n<svg width="3">', "SVG drawing"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied', "an XML message"),
        (b'{"detail": "Not found."}', "a JSON message instead of a picture"),
        (b"just some words", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (encoded(NOISE, "JPEG")[:900], "damaged or cut off"),
        (encoded(NOISE, "PNG")[:900], "damaged or cut off"),
        (encoded(NOISE, "PNG")[:20], "damaged or cut off|not a picture"),
        (png_header(30_000, 30_000), "too large: more than 100 million pixels"),
        (png_header(10_000, 10_001), "too large: more than 100 million pixels"),
        (png_header(9_000, 9_000, 16, 0), r"9000 pixels of this kind \(PNG, I;16\) takes 729 MB"),
        (png_header(6_000, 6_000), "takes 180 MB of memory, and 170 MB are allowed"),
        (encoded(Image.new("L", (510, 10)), "PNG"), "a strip of 510 x 10 pixels"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(UnreadableMedia, match=reason) as refused:
        read_picture(file)
    assert "secret-folder-name" not in str(refused.value)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_large_jpeg_is_read_at_an_eighth_unless_it_must_be_held_whole(
    file: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, bool]
) -> None:
    """Sizes in pixels said nothing of what decoding costs: between the two lie a factor of 17."""
    monkeypatch.setattr("model.media.pictures.MAX_BYTES", 1_000_000)
    file.write_bytes(encoded(Image.new("RGB", (2048, 2048), RED), "JPEG", **options))
    if not options:
        assert read_picture(file).size == (SHORTER_SIDE, SHORTER_SIDE)
        return
    with pytest.raises(UnreadableMedia, match=r"too large: .* \(progressive JPEG, RGB\)"):
        read_picture(file)


def test_a_picture_that_takes_too_long_is_given_up(file: Path) -> None:
    file.write_bytes(encoded(NOISE, "PNG"))
    with pytest.raises(UnreadableMedia, match="it takes too long to read"):
        read_picture(file, seconds=-1.0)


def test_a_file_that_is_not_there_is_no_bad_picture(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "none")
