"""What an object tag is: how the tag is read, and what it shows of a task."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import BinaryIO, ClassVar
from xml.etree.ElementTree import Element

from backend.errors import UnsupportedConfig
from backend.interface.values import text_of
from model.media.texts import read_text, refuse_page
from model.types import Medium

MOST_CHARACTERS = 100_000
"""Of the text that is made of a dialogue or a table. An encoder reads fewer: with the
default MAX_TOKENS and MAX_WINDOWS at most some 12,000."""
MOST_ENTRIES = 10_000
"""Of a table or a dialogue these are looked at, however many it has."""


@dataclass(frozen=True)
class ObjectTag(ABC):
    """One object tag, as an interface has it. Two of one kind are equal when they read alike.

    tag: in the labelling interface, "" for what none stands for; kind: what it is called on disk;
    medium: what an encoder reads of it. has_inner_tags: whether tags that stand in it are shown.
    instead: what shows the same, where the pages of the free Label Studio do not know the tag.
    """

    tag: ClassVar[str] = ""
    kind: ClassVar[str]
    medium: ClassVar[Medium] = "text"
    has_inner_tags: ClassVar[bool] = False
    instead: ClassVar[str] = ""

    @classmethod
    def parse(cls, element: Element) -> "ObjectTag":
        """What the tag shows. Raises UnsupportedConfig for what only this tag refuses; its `value`
        is checked for all tags in backend.interface.shown."""
        refuse_lists(element)
        return cls()

    @abstractmethod
    def read(self, value: object) -> str | None:
        """From what a task has in the tag's place, of any JSON type, to what is read of it: a text,
        or the address of a file. None if it shows nothing. Takes milliseconds at most, however
        large the value is: it is called in the process that answers people."""

    def read_file(self, file: BinaryIO, most: int) -> str | None:
        """The same of a file in which this stands; at least the first `most` characters, which are
        what is read of it. The trainer alone does this. Raises UnreadableMedia."""
        refuse_page(file, "text")
        return self.read(read_text(file, most))

    def parts(self) -> "tuple[ObjectTag, ...]":
        """What is read of it, if that is more than one medium."""
        return (self,)

    def marked(self) -> "ObjectTag | None":
        """The same where spans are marked in it, so that the place of each character matters; None
        if no spans of it can be learnt."""
        return None

    def boxed(self) -> "ObjectTag | None":
        """The same where boxes are drawn in it; None where it shows no pictures."""
        return None

    def identity(self) -> tuple[object, ...]:
        """What is read differently is called differently. It is stored: a change makes a dataset be
        encoded again."""
        return (self.kind, *(astuple(self) or ("none",)))


def is_behind_an_address(element: Element) -> bool:
    """Whether a task holds the address of what a tag shows, and not that itself."""
    return element.get("valueType") == "url"


def refuse_lists(element: Element) -> None:
    """Raises UnsupportedConfig where a tag takes its data from a list of addresses or a program."""
    refuse_resolver(element)
    if element.get("valueList"):
        raise UnsupportedConfig(
            f"<{element.tag} valueList=...> is not read", "Only an <Image> shows a list of files."
        )


def refuse_resolver(element: Element) -> None:
    """Raises UnsupportedConfig where a program is to find what a tag shows."""
    if element.get("resolver"):
        raise UnsupportedConfig(
            f"<{element.tag} resolver=...> is not supported",
            "The text must be in the task itself, or in a file.",
        )


def one_line(text: str) -> str:
    """The words of a text with one space between them."""
    return " ".join(text.split())


def lines(found: Iterable[str]) -> str | None:
    """The lines that have words, up to MOST_CHARACTERS; None if there are none."""
    kept: list[str] = []
    room = MOST_CHARACTERS
    for line in found:
        short = one_line(line[: room + 1])[:room]
        if short:
            kept.append(short)
            room -= len(short) + 1
        if room <= 0:
            break
    return "\n".join(kept) or None


def words_in(value: object) -> str:
    """The keys and values of anything that JSON can hold, however deep, up to MOST_CHARACTERS:
    `{"a": [1, {"b": true}]}` is "a: 1 b: true"; "" if there are no values."""
    kept: list[str] = []
    length, has_value = 0, False
    for word, is_value in _words(value):
        kept.append(word[:MOST_CHARACTERS])
        length, has_value = length + len(word) + 1, has_value or is_value
        if length > MOST_CHARACTERS:
            break
    return " ".join(kept)[:MOST_CHARACTERS] if has_value else ""


def _words(value: object) -> Iterator[tuple[str, bool]]:
    """Keys and values in order, and whether each is a value."""
    left: list[Iterator[tuple[str, object]]] = [iter([("", value)])]
    while left:
        for key, one in left[-1]:
            if key:
                yield f"{key}:", False
            if isinstance(one, Mapping):
                left.append((str(name), inner) for name, inner in one.items())
                break
            if isinstance(one, list):
                left.append(("", inner) for inner in one)
                break
            text = text_of(one)
            if text:
                yield text, True
        else:
            left.pop()
