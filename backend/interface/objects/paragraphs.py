"""<Paragraphs>: a dialogue, or a text in paragraphs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, ClassVar
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
from backend.interface.paragraph_text import paragraph_text
from backend.interface.values import text_of
from model.media.errors import UnreadableMedia
from model.media.texts import read_text, refuse_page
from model.types import Medium

MOST_OF_A_FILE = 10_000_000
"""Characters of JSON, which is read as a whole or not at all."""
MOST_SECONDS = 1e9
"""Larger times are none."""


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
        if is_behind_an_address(element):
            return Document(cls(*keys))
        return Timed(*keys) if _is_by_time(element) else cls(*keys)

    def marked(self) -> ObjectTag:
        return MarkedParagraphs(self.name_key, self.text_key)

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


@dataclass(frozen=True)
class Timed(Paragraphs):
    """Read alike, but the page shows and numbers the paragraphs in the order of their times."""

    def marked(self) -> ObjectTag:
        return MarkedParagraphs(self.name_key, self.text_key, is_by_time=True)


@dataclass(frozen=True)
class MarkedParagraphs(ObjectTag):
    """A dialogue in which spans are marked: see backend.interface.paragraph_text. Each paragraph
    keeps its number, and what is said stays as the page shows it."""

    kind = "paragraph tokens"
    medium: ClassVar[Medium] = "tokens"
    name_key: str = Paragraphs.name_key
    text_key: str = Paragraphs.text_key
    is_by_time: bool = False

    def read(self, value: object) -> str | None:
        if not isinstance(value, list):
            return None
        items = [item if isinstance(item, Mapping) else {} for item in value]
        if self.is_by_time:
            items.sort(key=_time)
        said = [_shown(item.get(self.text_key)) for item in items]
        if not any(map(str.strip, said)):
            return None
        names = [_name(item.get(self.name_key)) for item in items]
        return paragraph_text(zip(names, said, strict=True))


def _is_by_time(element: Element) -> bool:
    """Label Studio's own templates write the attribute in small letters."""
    stated = element.get("contextScroll") or element.get("contextscroll") or ""
    return stated.lower() == "true"


def _shown(text: object) -> str:
    """What the page shows of a text: nothing of `null`, `true` and `false`."""
    return "" if isinstance(text, bool | list) else text_of(text) or ""


def _name(value: object) -> str:
    return value if isinstance(value, str) else words_in(value)


def _time(item: Mapping[str, object]) -> tuple[bool, float, float]:
    """By start, then by end, as the page sorts; those that start at 0 or at no time come last."""
    start = _seconds(item.get("start"))
    if not start:
        return True, 0.0, 0.0
    duration = _seconds(item.get("duration"))
    return False, start, _seconds(item.get("end")) or (start + duration if duration else 0.0)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if abs(value) < MOST_SECONDS else 0.0  # never for NaN
