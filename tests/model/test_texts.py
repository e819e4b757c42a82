"""Text files, in whatever encoding they are."""

import codecs
import io

import pytest

from model.media.errors import UnreadableMedia
from model.media.texts import read_text, refuse_page


@pytest.mark.parametrize(
    "content",
    [
        "Grüße, 你好".encode(),
        codecs.BOM_UTF8 + "Grüße, 你好".encode(),
        codecs.BOM_UTF16_LE + "Grüße, 你好".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "Grüße, 你好".encode("utf-16-be"),
    ],
    ids=["UTF-8", "UTF-8 with mark", "UTF-16 LE", "UTF-16 BE"],
)
def test_unicode(content: bytes) -> None:
    assert read_text(io.BytesIO(content), 100) == "Grüße, 你好"


def test_western_bytes_of_no_known_encoding() -> None:
    assert read_text(io.BytesIO("Grüße € “ja”".encode("cp1252")), 100) == "Grüße € “ja”"
    assert read_text(io.BytesIO("Grüße".encode("latin-1")), 100) == "Grüße"


@pytest.mark.parametrize("most", [1, 5, 9])
def test_the_beginning_of_a_long_file_is_read(most: int) -> None:
    """Also where it is cut in the middle of a character."""
    assert read_text(io.BytesIO(("x" + "你" * 1_000_000).encode()), most) == ("x" + "你" * 8)[:most]


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(UnreadableMedia, match="not a text file: there are zero bytes in it"):
        read_text(io.BytesIO(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), 100)


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>", b" \n<html lang='en'>", b"<!-- x --> <HEAD>"])
def test_a_page_where_a_text_belongs_is_refused(page: bytes) -> None:
    with pytest.raises(UnreadableMedia, match="an HTML page instead of a text: its address may"):
        refuse_page(io.BytesIO(page), "text")
    file = io.BytesIO(b"a <html> tag in a text")
    refuse_page(file, "text")
    assert file.read() == b"a <html> tag in a text", "it is read from its beginning"
