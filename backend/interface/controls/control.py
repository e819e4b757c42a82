"""What a control is: how its tag is read, and what its answers are in Label Studio's JSON."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar
from xml.etree.ElementTree import Element

from backend.types import Json
from model.boxes.geometry import Box
from model.spans.tags import Span
from model.types import Kind

SEPARATOR = " / "
"""Between the names of a taxonomy's path, where it is one label."""

Given = TypeVar("Given", str, Span, Box)
"""What people give: an answer to the whole task, or a labelled piece of its text or picture."""


@dataclass(frozen=True)
class Called:
    """What annotators see of an answer: its name, in a taxonomy after the names of the nodes above
    it, and the hint that explains it, "" where there is none."""

    path: tuple[str, ...]
    hint: str = ""


@dataclass(frozen=True)
class Control(ABC, Generic[Given]):
    """One control tag. Two of one kind are equal when they read and write alike.

    tag: in the labelling interface; type_name: of its results, in JSON. objects: the object tags
    that it may be about, () for all that can be read. fewest: of its answers; needs: the same in
    words. is_measured: whether answers are measured, as times are, so that no two people give the
    same one. is_learnt_in_parts: whether only answers that somebody gave, or whose name says
    something, are learnt. is_of_two: whether it is about two object tags, which it compares.
    may_be_required: whether Label Studio's page obeys `required` in the tag. reads_text: whether
    answers can only be read beside what the task shows; finds: whether they are boxes, which a
    detector finds; not_read: what is the matter with a value that gives none, in words, and
    nameless: with one in which none is named, "" for the same.
    reads_list: whether it is about the things in a list that each task has of its own, which its
    `text` names.
    """

    tag: ClassVar[str]
    type_name: ClassVar[str]
    objects: ClassVar[tuple[str, ...]] = ()
    fewest: ClassVar[int] = 2
    needs: ClassVar[str] = "two or more choices"
    is_learnt_in_parts: ClassVar[bool] = False
    is_of_two: ClassVar[bool] = False
    may_be_required: ClassVar[bool] = True
    reads_text: ClassVar[bool] = False
    is_measured: ClassVar[bool] = False
    reads_list: ClassVar[bool] = False
    finds: ClassVar[bool] = False
    not_read: ClassVar[str] = "has a form that is not understood"
    nameless: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def parse(cls, element: Element) -> "Asked":
        """What the tag asks. Raises UnsupportedConfig for what only this control refuses."""

    @abstractmethod
    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[Given]:
        """The answers in the `value` of a result, whether or not the tag has them; nothing for a
        value of another form. `text`: what the task shows, where `reads_text` asks for it."""

    @abstractmethod
    def write(self, answers: Sequence[Given], text: str = "") -> Json:
        """The `value` of a result that gives these answers, one or more; {} for a span of what
        cannot be marked. `text`: what the task shows, of which a span repeats its piece."""

    def not_learnt(self, answers: Sequence[Given]) -> str:
        """What is not learnt of these answers to one task, in words; "" where all is."""
        return ""

    def in_words(self, span: Span, text: str) -> str:
        """What a span marks."""
        return text[span.start : span.end]

    def value_of(self, region: Mapping[str, Any]) -> object:
        """What `read` takes of one entry of an annotation's result."""
        return region.get("value")

    def unread(self, value: Mapping[str, object]) -> Iterator[Given]:
        """Where a value that `read` does not read says something all the same: nobody can say that
        nothing is there."""
        yield from ()

    def why_not(self, value: Mapping[str, object]) -> str:
        """What is the matter with this value, which gives no answer, in words."""
        is_named = bool(value.get(self.type_name))
        return self.not_read if is_named or not self.nameless else self.nameless

    def drawn_alone(self, result: Sequence[object]) -> Iterator[Mapping[str, Any]]:
        """The entries of a result in which something is drawn and no answer given."""
        yield from ()

    def around(self, region: Json, number: int) -> list[Json]:
        """The entries of a pre-annotation that say what this one says, which has this number in its
        task."""
        return [region]

    def renamed(self, answers: list[Given], aliases: Mapping[str, str]) -> list[Given]:
        """The given answers by the names that they have now; aliases: former names -> names."""
        return [
            replace(one, label=aliases.get(one.label, one.label))
            if isinstance(one, Span | Box)
            else aliases.get(one, one)
            for one in answers
        ]

    def stated(self, answers: Sequence[Given]) -> Sequence[Given]:
        """Those of the given answers that a result states; the others follow from them."""
        return answers


@dataclass(frozen=True)
class Asked:
    """What one control tag asks.

    paths: of each answer the names down to it, a single one but in a taxonomy. called: what
    annotators see of the answers, in the same order; () where that says nothing, as of stars.
    repeated: answers that the tag offers more than once. most: how many may be given together, None
    for any number.
    """

    control: Control[Any]
    kind: Kind
    paths: tuple[tuple[str, ...], ...]
    called: tuple[Called, ...] = ()
    repeated: tuple[str, ...] = ()
    most: int | None = None

    @property
    def answers(self) -> tuple[str, ...]:
        """What Label Studio stores for each, a path as one label."""
        return tuple(SEPARATOR.join(path) for path in self.paths)


def limits_of(element: Element) -> dict[str, int]:
    """How often each label may be given in one task, as its tag says, or the tag around it; without
    labels that may be given as often as people want."""
    found = {stored(label): _limit(label) or _limit(element) for label in element.iter("Label")}
    return {label: most for label, most in found.items() if most}


def _limit(element: Element) -> int | None:
    """Label Studio's page obeys `maxUsages`. Its template *Question Answering* says `maxUsage`,
    which the page does not know, and means the same."""
    return whole_number(element.get("maxUsages") or element.get("maxUsage"))


def stored(element: Element) -> str:
    """What Label Studio stores for a choice or a label."""
    return element.get("alias") or element.get("value") or ""


def shown(choice: Element, above: tuple[str, ...] = ()) -> Called:
    """What annotators see of a choice below these."""
    name = choice.get("value") or choice.get("alias") or ""
    return Called((*above, name), choice.get("hint") or "")


def whole_number(value: object) -> int | None:
    """A whole number, also as pandas and spreadsheets write it: 2.0 or "2"; None for others."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    # In JSON, true is no number; in Python it is one.
    return value if isinstance(value, int) and not isinstance(value, bool) else None
