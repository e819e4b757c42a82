"""<HyperText>: the words of a page."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import lxml.etree
import lxml.html

from backend.interface.objects.object_tag import ObjectTag, one_line, refuse_addresses
from backend.interface.objects.text import code_of, encoding_of
from backend.interface.values import Encoding


@dataclass(frozen=True)
class HyperText(ObjectTag):
    tag = "HyperText"
    kind = "html"
    has_inner_tags = True
    encoding: Encoding = "none"

    @classmethod
    def parse(cls, element: Element) -> ObjectTag:
        refuse_addresses(element)
        return cls(encoding_of(element))

    def read(self, value: object) -> str | None:
        page = code_of(value, self.encoding)
        return one_line(without_tags(page)) or None if page and page.strip() else None


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
