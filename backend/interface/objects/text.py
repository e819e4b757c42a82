"""<Text>: a text."""

from dataclasses import dataclass
from typing import ClassVar, cast, get_args
from xml.etree.ElementTree import Element

from backend.interface.objects.document import Document
from backend.interface.objects.object_tag import (
    ObjectTag,
    is_behind_an_address,
    one_line,
    refuse_lists,
)
from backend.interface.values import Encoding, decoded, text_of
from model.types import Medium


@dataclass(frozen=True)
class Text(ObjectTag):
    """Also what other tags show as words, such as a <Header>."""

    tag = "Text"
    kind = "text"
    encoding: Encoding = "none"

    @classmethod
    def parse(cls, element: Element) -> ObjectTag:
        refuse_lists(element)
        if element.tag == cls.tag and is_behind_an_address(element):
            return Document(cls())
        return cls(encoding_of(element))

    def read(self, value: object) -> str | None:
        text = text_of(value) if self.encoding == "none" else code_of(value, self.encoding)
        return None if text is None else one_line(text) or None

    def marked(self) -> ObjectTag:
        return MarkedText(self.encoding)


@dataclass(frozen=True)
class MarkedText(ObjectTag):
    """A text in which spans are marked: it stays as it is."""

    kind = "tokens"
    medium: ClassVar[Medium] = "tokens"
    encoding: Encoding = "none"

    def read(self, value: object) -> str | None:
        text = code_of(value, self.encoding)
        return text if text and text.strip() else None


def encoding_of(element: Element) -> Encoding:
    """In which code the text stands in the task; of an unknown one that it stands there plainly."""
    stated = element.get("encoding")
    return cast(Encoding, stated) if stated in get_args(Encoding) else "none"


def code_of(value: object, encoding: Encoding) -> str | None:
    """The text that a task has in this code."""
    text = text_of(value)
    return None if text is None else decoded(text, encoding)
