"""PDF files: the text of the first pages, and why there is none."""

import io
from pathlib import Path

import pytest

from model.media.errors import UnreadableMedia
from tests.model.pdf_files import pdf

pypdf = pytest.importorskip("pypdf")

from model.media.pdfs import MAX_PAGES, read_pdf  # noqa: E402 (only where pypdf is installed)


def read(content: bytes, most: int = 10_000) -> str:
    return read_pdf(io.BytesIO(content), most)


def test_pages_are_read_one_after_the_other_up_to_what_is_asked_for() -> None:
    assert read(pdf(["One two", "", "three"])) == "One two\nthree"
    assert read(pdf(["One two", "three"]), most=9) == "One two\nt"


def test_of_five_hundred_pages_only_the_first_are_read() -> None:
    text = read(pdf([f"Page {number}" for number in range(500)]), most=1_000_000)
    assert text.splitlines() == [f"Page {number}" for number in range(MAX_PAGES)]


def encrypted(password: str) -> bytes:
    writer, made = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(["Secret words"]))), io.BytesIO()
    writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
    writer.write(made)
    return made.getvalue()


def test_a_file_that_anybody_may_open_is_read_and_one_with_a_password_is_not() -> None:
    assert read(encrypted("")) == "Secret words"
    with pytest.raises(UnreadableMedia, match="it needs a password"):
        read(encrypted("s3cret"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a PDF, or one that is damaged"),
        (b"nothing of the kind", "not a PDF, or one that is damaged"),
        (b"%PDF-1.4\n" + bytes(range(256)) * 20, "not a PDF, or one that is damaged"),
        (b"<!DOCTYPE html><title>Log in</title>", "an HTML page instead of a PDF"),
        (pdf(["", ""]), "there is no text on its first 50 pages: they may be scanned"),
        (pdf([]), "there is no text on its first 50 pages"),
    ],
    ids=["empty", "text", "bytes", "page", "scanned", "no pages"],
)
def test_why_a_file_has_no_text(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableMedia, match=reason):
        read(content)


def test_a_page_that_would_take_minutes_is_refused() -> None:
    page = "a) Tj (" * 200_000
    with pytest.raises(UnreadableMedia, match="it takes more memory or time to read"):
        read(pdf([page]))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95])
def test_a_file_that_is_cut_off_is_read_or_refused(share: float) -> None:
    whole = pdf([f"Page {number}" for number in range(9)])
    try:
        assert read(whole[: int(share * len(whole))]).startswith("Page 0")
    except UnreadableMedia as error:
        assert str(error)


def test_a_page_that_takes_too_long_ends_in_the_middle(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMedia, match="it takes too long to read"):
        read_pdf(io.BytesIO(pdf(["One"])), 100, seconds=-1.0)
