"""Text files to text: in whatever encoding they are, and as much as an encoder reads."""

import codecs
import re
from typing import BinaryIO

from model.media.errors import UnreadableMedia

BYTES_PER_CHARACTER = 4
"""Of UTF-8 and UTF-16, at most."""
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""What a file may begin with -> its encoding."""
PAGE = re.compile(rb"\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body|script)\b", re.DOTALL | re.I)


def read_text(file: BinaryIO, most: int) -> str:
    """The first `most` characters of a text file, in UTF-8, in UTF-16 with its mark, or else in
    Windows' encoding of western languages. Raises UnreadableMedia for what is no text."""
    head = file.read(most * BYTES_PER_CHARACTER + len(codecs.BOM_UTF8))
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return head[len(mark) :].decode(name, "replace")[:most]
    if b"\0" in head:
        raise UnreadableMedia("not a text file: there are zero bytes in it")
    try:
        # Not the end: it may be cut in the middle of a character.
        return codecs.getincrementaldecoder("utf-8")().decode(head)[:most]
    except UnicodeDecodeError:
        return head.decode("cp1252", "replace")[:most]


def refuse_page(file: BinaryIO, kind: str) -> None:
    """Raises UnreadableMedia for a web page where something else belongs, such as a "text"."""
    is_page = PAGE.match(file.read(512).removeprefix(codecs.BOM_UTF8)) is not None
    file.seek(0)
    if is_page:
        raise UnreadableMedia(
            f"an HTML page instead of a {kind}: its address may need a login, or have expired"
        )
