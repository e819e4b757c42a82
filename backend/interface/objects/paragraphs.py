"""<Paragraphs>: a dialogue, or a text in paragraphs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO
from xml.etree.ElementTree import Element

from backend.interface.objects.document import Document
from backend.interface.objects.object_tag import (
    MOST_ENTRIES,
    ObjectTag,
    is_behind_an_address,
    lines,
    refuse_lists,
    words_in,
)
from model.media.errors import UnreadableMedia
from model.media.texts import read_text, refuse_page

MOST_OF_A_FILE = 10_000_000
"""Characters of JSON, which is read as a whole or not at all."""


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
        refuse_lists(element)
        keys = element.get("nameKey") or cls.name_key, element.get("textKey") or cls.text_key
        return Document(cls(*keys)) if is_behind_an_address(element) else cls(*keys)

    def read(self, value: object) -> str | None:
        # Of anything but a list, Label Studio's page shows an error in place of the questions.
        return lines(self._said(value)) if isinstance(value, list) else None

    def read_file(self, file: BinaryIO, most: int) -> str | None:
        refuse_page(file, "JSON file")
        text = read_text(file, MOST_OF_A_FILE)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            is_cut = len(text) == MOST_OF_A_FILE
            most_of_it = f"it has more than {MOST_OF_A_FILE / 1e6:g} million characters"
            raise UnreadableMedia(most_of_it if is_cut else "it is no JSON") from error
        read = self.read(value)
        if read is None:
            keys = f"{self.name_key!r} and {self.text_key!r}"
            raise UnreadableMedia(f"its JSON is no list of objects with {keys}, or has no text")
        return read

    def _said(self, items: list[object]) -> Iterator[str]:
        for item in islice(items, MOST_ENTRIES):
            if isinstance(item, Mapping):
                name, text = (words_in(item.get(key)) for key in (self.name_key, self.text_key))
                yield f"{name}: {text}" if name and text else text
            else:
                yield words_in(item)
