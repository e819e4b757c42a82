"""<HyperText>: the words of a page."""

from dataclasses import dataclass
from typing import BinaryIO
from xml.etree.ElementTree import Element

import lxml.etree
import lxml.html

from backend.interface.objects.document import Document
from backend.interface.objects.object_tag import (
    ObjectTag,
    is_behind_an_address,
    one_line,
    refuse_lists,
)
from backend.interface.objects.text import code_of, encoding_of
from backend.interface.values import Encoding
from model.media.texts import read_text

MOST_OF_A_PAGE = 1_000_000
"""Characters of a file, most of which are tags and scripts."""


@dataclass(frozen=True)
class HyperText(ObjectTag):
    tag = "HyperText"
    kind = "html"
    has_inner_tags = True
    encoding: Encoding = "none"

    @classmethod
    def parse(cls, element: Element) -> ObjectTag:
        refuse_lists(element)
        return Document(cls()) if is_behind_an_address(element) else cls(encoding_of(element))

    def read(self, value: object) -> str | None:
        page = code_of(value, self.encoding)
        return one_line(without_tags(page)) or None if page and page.strip() else None

    def read_file(self, file: BinaryIO, most: int) -> str | None:
        return self.read(read_text(file, MOST_OF_A_PAGE))


def without_tags(html: str) -> str:
    """The words of a page, without its scripts and styles."""
    # Bytes, because a str that declares an encoding (as XHTML does) or contains half a character
    # is refused or cut; huge_tree, because deep or long pages would otherwise have no text at all.
    parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:
        tree = lxml.html.document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    except lxml.etree.ParserError:  # only whitespace and comments
        return ""
    lxml.etree.strip_elements(tree, "script", "style", with_tail=False)
    return " ".join(str(piece) for piece in tree.itertext())
