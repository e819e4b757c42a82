"""A list of things that a task has of its own: the items of a <List>, the choices of <Choices>."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from xml.etree.ElementTree import Element

from backend.errors import UnsupportedConfig
from backend.interface.objects.hypertext import HyperText
from backend.interface.objects.object_tag import ObjectTag, lines, refuse_resolver
from backend.interface.values import text_of
from model.types import MOST_CANDIDATES, Medium


class Candidate(NamedTuple):
    """One thing of a list: how results name it, and its text."""

    name: str
    text: str


class Candidates(ObjectTag):
    """What is read of it is a JSON list of the candidates, each a list of its name and text."""

    medium: ClassVar[Medium] = "list"

    @classmethod
    def parse(cls, element: Element) -> ObjectTag:
        refuse_resolver(element)
        return cls()

    def read(self, value: object) -> str | None:
        """None for a list of which nothing can be learnt: see `problem`."""
        if self.problem(value):
            return None
        items = value if isinstance(value, list) else []
        found = [self.candidate(item, place) for place, item in enumerate(items)]
        return json.dumps([one for one in found if one])

    def problem(self, value: object) -> str:
        """Why nothing can be learnt of this value, as a clause; "" if it can."""
        if not isinstance(value, list):
            return "there is no list"
        if len(value) > MOST_CANDIDATES:
            return f"its list has {len(value)} things, more than {MOST_CANDIDATES}"
        if len(value) < 2:
            return "its list has fewer than two things"
        found = [self.candidate(item, place) for place, item in enumerate(value)]
        if None in found:
            which = f"thing {found.index(None) + 1} of its list"
            return f"{which} has no text or no name (pictures in lists are not read)"
        names = [one.name for one in found if one]
        if len(set(names)) < len(names):
            return "two things of its list have the same name"
        return ""

    @abstractmethod
    def candidate(self, item: object, place: int) -> Candidate | None:
        """The thing in this place, from 0 on; None for what has no text or no name."""


@dataclass(frozen=True)
class ListItems(Candidates):
    """Items with `id`, `title`, `body` and `html`."""

    tag = "List"
    kind = "list"

    def candidate(self, item: object, place: int) -> Candidate | None:
        if not isinstance(item, Mapping):
            return None
        name = text_of(item.get("id"))
        shown = [text_of(item.get("title")), text_of(item.get("body")), _words(item.get("html"))]
        text = lines(filter(None, shown))
        return Candidate(name, text) if name and text else None


@dataclass(frozen=True)
class OwnChoices(Candidates):
    """Choices with `value`, and perhaps `alias` and `html`; a result names a choice by its alias
    where it has one."""

    tag = "Choices"
    kind = "own choices"

    def candidate(self, item: object, place: int) -> Candidate | None:
        if not isinstance(item, Mapping) or item.get("children"):
            return None
        value = text_of(item.get("value"))
        name = text_of(item.get("alias")) or value
        html = item.get("html")  # shown in place of the value
        text = _words(html) if html else lines([value]) if value else None
        return Candidate(name, text) if name and text else None


LISTS: dict[str, type[Candidates]] = {"List": ListItems, "Choices": OwnChoices}
"""Tag -> what it takes from a task's list."""


def list_in(part: str) -> tuple[Candidate, ...]:
    """The candidates that a list's part stands for; () for no such part."""
    return tuple(Candidate(*one) for one in json.loads(part)) if part else ()


def parts_of_list(part: str, beside: Sequence[str]) -> tuple[str | None, ...]:
    """What is encoded: after the list, which says how results name its candidates, their texts in
    the order of the list, None in the places that are left, and the texts beside them."""
    texts: list[str | None] = [one.text for one in list_in(part)]
    left = [None] * (MOST_CANDIDATES - len(texts))
    return (part, *texts, *left, "\n".join(beside) or None)


def is_own_list(element: Element) -> bool:
    """Whether the choices of a tag are those of each task."""
    return (element.get("value") or "").startswith("$")


def refuse_nesting(element: Element) -> None:
    """Raises UnsupportedConfig where a task's own choices may stand below others, or beside some
    that all tasks have."""
    which = f"Choices '{element.get('name', '')}'"
    names = {name.lower(): value for name, value in element.attrib.items()}
    if names.get("allownested") == "true":
        raise UnsupportedConfig(
            f"{which} has each task's own choices ({element.get('value')}), and some of them may "
            "stand below others",
            "Such choices are learnt only without allowNested.",
        )
    if element.find(".//Choice") is not None:
        raise UnsupportedConfig(
            f"{which} has each task's own choices ({element.get('value')}) beside some that all "
            "tasks have",
            "Only one kind of them is learnt: put all of them into the tasks or none.",
        )


def _words(html: object) -> str | None:
    return HyperText().read(html) if isinstance(html, str) and html.strip() else None
