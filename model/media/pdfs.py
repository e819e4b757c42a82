"""PDF files to the text of their first pages."""

import logging
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from model.media.errors import UnreadableMedia
from model.media.texts import refuse_page

MAX_PAGES = 50
"""Only the first pages of a longer file are read."""
MAX_READ_SECONDS = 20.0
"""Wall-clock time for one file."""
DAMAGED = (
    PyPdfError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
)
"""What pypdf raises for files that are cut off or wrong."""

# It warns of each fault that it reads past.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def read_pdf(file: BinaryIO, most: int, *, seconds: float = MAX_READ_SECONDS) -> str:
    """The first `most` characters of a PDF file, a page after the other, of MAX_PAGES at most.

    `seconds` is the wall-clock time that it may take. Raises UnreadableMedia if it is none, needs a
    password, is damaged or has no text, or if time is up.
    """
    refuse_page(file, "PDF")
    pages: list[str] = []
    try:
        for page in _pages(file, time.monotonic() + seconds):
            pages.append(" ".join(page.split()))  # many files have each word on a line of its own
            if sum(map(len, pages)) >= most:
                break
    except UnreadableMedia:
        raise
    except DAMAGED as error:
        raise UnreadableMedia("not a PDF, or one that is damaged or cut off") from error
    text = "\n".join(filter(None, pages))[:most]
    if not text:
        raise UnreadableMedia(
            f"there is no text on its first {MAX_PAGES} pages: they may be scanned, and writing in "
            "pictures is not read"
        )
    return text


def _pages(file: BinaryIO, until: float) -> Iterator[str]:
    """The text of each page. Some pages take minutes, so the clock is looked at on the way."""

    def look(*_: Any) -> None:
        if time.monotonic() > until:
            raise UnreadableMedia("it takes too long to read")

    reader = PdfReader(file)
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableMedia("it needs a password: save it without one")
    for number in range(min(MAX_PAGES, len(reader.pages))):
        yield reader.pages[number].extract_text(visitor_operand_before=look)
        look()
