"""PDF files to the text of their first pages."""

import logging
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from pypdf import Configuration, PdfReader, apply_configuration
from pypdf.errors import DependencyError, LimitReachedError, PyPdfError

from model.media.errors import UnreadableMedia
from model.media.texts import refuse_page

MAX_PAGES = 50
"""Only the first pages of a longer file are read."""
MAX_READ_SECONDS = 20.0
"""Wall-clock time for one file."""
MOST_BYTES = 10_000_000
LIMITS = Configuration(
    zlib_maximum_output_length=MOST_BYTES,
    lzw_maximum_output_length=MOST_BYTES,
    run_length_maximum_output_length=MOST_BYTES,
    array_based_stream_maximum_output_length=MOST_BYTES,
    stream_decoding_work_maximum_length=3 * MOST_BYTES,
    stream_parsing_work_maximum_count=300_000,
    xform_maximum_invocations_per_extraction=1_000,
    page_tree_maximum_entries=20_000,
    jbig2dec_binary=None,
    disable_legacy_handling=True,
)
"""Bytes that a compressed part may become, and the like, so that a page of a bomb takes seconds and
not minutes. No other program is started."""
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
    try:
        with apply_configuration(LIMITS):
            text = "\n".join(_enough(_pages(file, time.monotonic() + seconds), most))[:most]
    except UnreadableMedia:
        raise
    except LimitReachedError as error:
        raise UnreadableMedia("it takes more memory or time to read than is allowed") from error
    except DependencyError as error:
        raise UnreadableMedia("it is encrypted (AES): save it without") from error
    except DAMAGED as error:
        raise UnreadableMedia("not a PDF, or one that is damaged or cut off") from error
    if not text:
        raise UnreadableMedia(
            f"there is no text on its first {MAX_PAGES} pages: they may be scanned, and writing in "
            "pictures is not read"
        )
    return text


def _enough(pages: Iterator[str], most: int) -> Iterator[str]:
    """Those with words, until there are so many characters."""
    read = 0
    for page in pages:
        text = " ".join(page.split())  # many files have each word on a line of its own
        if text:
            yield text
        read += len(text)
        if read >= most:
            return


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
