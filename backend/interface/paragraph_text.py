"""A dialogue as one text in which the place of each character is known.

A paragraph is "name:", GAP and what is said, or only GAP and that; END stands between paragraphs.
Label Studio counts its places in what is said of a paragraph, in UTF-16 code units: an emoji has
two.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

GAP, END = "\u2028", "\u2029"
"""Unicode's separators of lines and of paragraphs, which tokenizers take for spaces."""
LAST_SHORT = 0xFFFF
"""Characters above this one are two code units in UTF-16."""


@dataclass(frozen=True)
class Place:
    """A place in a dialogue: the index of a paragraph, and code units in what is said there."""

    paragraph: int
    offset: int


def paragraph_text(paragraphs: Iterable[tuple[str, str]]) -> str:
    """The text of these names and what they say."""
    return END.join(
        f"{_plain(name)}{':' if name else ''}{GAP}{_plain(said)}" for name, said in paragraphs
    )


class ParagraphText:
    """Reads places in such a text; one of another form has a single paragraph without a name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._began: list[int] = []
        """Of each paragraph the character at which what is said begins."""
        self._ended: list[int] = []
        start = 0
        for paragraph in text.split(END):
            self._began.append(start + paragraph.find(GAP) + 1)
            start += len(paragraph) + 1
            self._ended.append(start - 1)

    def character(self, place: Place) -> int | None:
        """The character at this place, or None if there is no such place. Half of a character
        counts as the whole one before it."""
        if not 0 <= place.paragraph < len(self._began) or place.offset < 0:
            return None
        begin, end = self._began[place.paragraph], self._ended[place.paragraph]
        if place.offset <= end - begin and self.text[begin : begin + place.offset].isascii():
            return begin + place.offset  # as almost always, and much faster
        left = place.offset
        for number in range(begin, end):
            left -= _units(self.text[number])
            if left < 0:
                return number
        return end if left == 0 else None

    def trimmed(self, start: int, end: int) -> tuple[int, int] | None:
        """The characters from `start` up to `end` without the spaces and the names at both ends;
        None if nothing is left."""
        pieces = [pair for pair in self._pieces(start, end) if self.text[slice(*pair)].strip()]
        if not pieces:
            return None
        head, tail = (self.text[slice(*pair)] for pair in (pieces[0], pieces[-1]))
        return pieces[0][1] - len(head.lstrip()), pieces[-1][0] + len(tail.rstrip())

    def place(self, character: int) -> Place:
        """The place of a character of what is said, or of the end of that."""
        paragraph = bisect_right(self._began, character) - 1
        before = self.text[self._began[paragraph] : character]
        return Place(paragraph, sum(map(_units, before)))

    def said(self, start: int, end: int) -> str:
        """What is said from `start` up to `end`, a paragraph a line."""
        return "\n".join(self.text[slice(*pair)] for pair in self._pieces(start, end))

    def _pieces(self, start: int, end: int) -> list[tuple[int, int]]:
        """What of these characters is said, paragraph by paragraph."""
        first, after = bisect_right(self._ended, start), bisect_left(self._began, end)
        return [
            (max(self._began[number], start), min(self._ended[number], end))
            for number in range(first, after)
        ]


@lru_cache(maxsize=4)
def read_paragraphs(text: str) -> ParagraphText:
    """The same for the many spans of a dialogue one after the other."""
    return ParagraphText(text)


def _plain(text: str) -> str:
    """With a space for each of the separators, so that no place moves."""
    return text.replace(GAP, " ").replace(END, " ")


def _units(character: str) -> int:
    return 2 if ord(character) > LAST_SHORT else 1
