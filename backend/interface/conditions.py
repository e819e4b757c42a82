"""When a question is asked: always, about a region, or after certain answers to other questions.

As Label Studio's pages decide it (`visibleWhen` and what belongs to it, also on the <View> tags
around the question).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.interface.controls.control import SEPARATOR
from backend.interface.questions import Question
from model.types import Condition

CONDITIONAL = ("View", "Choices", "Taxonomy")
"""The tags on which Label Studio obeys `visibleWhen`."""
DECIDING = ("Choices", "Taxonomy")
"""The tags whose answers others can depend on."""

ABOUT_SPANS = ("Choices", "Rating")
"""The tags whose answers about each span are learnt."""


@dataclass(frozen=True)
class When:
    """That some answer to the question `tag` (None: to any <Choices>) is given; values: one of
    these; is_negated: that it is not."""

    tag: str | None
    values: tuple[str, ...] | None
    is_negated: bool = False


def whens_of(way: Sequence[Element]) -> tuple[When, ...]:
    """The conditions on this way from the root of the labelling interface down to a control tag."""
    found = (_when(element) for element in way if element.tag in CONDITIONAL)
    return tuple(when for when in found if when is not None)


def is_about_a_region(way: Sequence[Element]) -> str | None:
    """The attribute that says that a question is asked about a region or an item; None if it is
    asked about the whole task."""
    control = way[-1]
    for flag in ("perRegion", "perItem"):
        if control.get(flag, "false") != "false":
            return flag
    views = [element for element in way if element.tag in CONDITIONAL]
    is_regional = any(element.get("visibleWhen") == "region-selected" for element in views)
    return "visibleWhen=region-selected" if is_regional else None


def is_about_spans(way: Sequence[Element]) -> bool:
    """Whether it is a question of one of these kinds about each region that people mark, always
    asked of the selected one."""
    control = way[-1]
    return control.tag in ABOUT_SPANS and control.get("perRegion", "false") == "true"


def _when(element: Element) -> When | None:
    kind, tag = element.get("visibleWhen"), element.get("whenTagName") or None
    value = element.get("whenChoiceValue")
    if kind in ("choice-selected", "choice-unselected"):
        # Without a tag, a <View> is shown after any choice, whatever its whenChoiceValue says.
        is_any = not value or (tag is None and element.tag == "View")
        values = None if is_any else tuple((value or "").split(","))
        return When(tag, values, kind == "choice-unselected")
    if kind is None and value:
        return When(None, (value,))
    return None


def unmet(when: When, asker: Question, asked: Sequence[Question]) -> str | None:
    """Why this condition cannot be evaluated when these questions are learnt; None if it can."""
    deciding = list(_deciding(when, asker, asked))
    if not deciding and when.tag is not None:
        return f"it depends on '{when.tag}', which is not learnt"
    if not deciding:
        return "it depends on other questions, of which none is learnt"
    if when.values is not None and not any(_chosen(when.values, one) for one in deciding):
        others = "any other question" if when.tag is None else f"'{when.tag}'"
        return f"it depends on '{','.join(when.values)}', which is no answer to {others}"
    return None


def conditions_of(
    asker: Question, whens: Mapping[str, Sequence[When]], asked: Sequence[Question]
) -> tuple[Condition, ...]:
    """The conditions of a question, and those of the questions that it follows from. whens: of all
    questions, by name."""
    found: dict[Condition, None] = {}
    seen: set[str] = set()
    left = [asker]
    while left:
        question = left.pop()
        seen.add(question.from_name)
        for when in whens.get(question.from_name, ()):
            deciding = list(_deciding(when, question, asked))
            labels = [
                one.prefix + answer for one in deciding for answer in _chosen(when.values, one)
            ]
            found[Condition(tuple(labels), when.is_negated)] = None
            if when.tag is not None and not when.is_negated:
                left += [one for one in deciding if one.from_name not in seen]
    return tuple(found)


def _deciding(when: When, asker: Question, asked: Sequence[Question]) -> Iterator[Question]:
    """The questions whose answers decide."""
    for one in asked:
        is_meant = one.control.tag == "Choices" if when.tag is None else one.from_name == when.tag
        if is_meant and one.control.tag in DECIDING and one.from_name != asker.from_name:
            yield one


def _chosen(values: Sequence[str] | None, question: Question) -> list[str]:
    """The answers with one of these names, or all."""
    if values is None:
        return list(question.answers)
    return [
        answer for answer in question.answers if not _names(answer, question).isdisjoint(values)
    ]


def _names(answer: str, question: Question) -> set[str]:
    """The names by which a condition may mean an answer: its alias, its value, of a path the
    last."""
    called = question.called.get(answer)
    return {answer, answer.rsplit(SEPARATOR, 1)[-1], *(called.path[-1:] if called else ())}
