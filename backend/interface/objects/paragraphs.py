"""<Paragraphs>: a dialogue, or a text in paragraphs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from xml.etree.ElementTree import Element

from backend.interface.objects.object_tag import (
    MOST_ENTRIES,
    ObjectTag,
    lines,
    refuse_addresses,
    words_in,
)


@dataclass(frozen=True)
class Paragraphs(ObjectTag):
    """A list of objects, each with a name and a text under these keys. A line of what is read is
    "name: text"."""

    tag = "Paragraphs"
    kind = "paragraphs"
    name_key: str = "author"
    text_key: str = "text"

    @classmethod
    def parse(cls, element: Element) -> ObjectTag:
        refuse_addresses(element)
        return cls(element.get("nameKey") or cls.name_key, element.get("textKey") or cls.text_key)

    def read(self, value: object) -> str | None:
        # Of anything but a list, Label Studio's page shows an error in place of the questions.
        return lines(self._said(value)) if isinstance(value, list) else None

    def _said(self, items: list[object]) -> Iterator[str]:
        for item in islice(items, MOST_ENTRIES):
            if isinstance(item, Mapping):
                name, text = (words_in(item.get(key)) for key in (self.name_key, self.text_key))
                yield f"{name}: {text}" if name and text else text
            else:
                yield words_in(item)
