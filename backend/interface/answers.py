"""From annotations, as Label Studio sends them, to answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from reprlib import Repr

from backend.interface.controls.control import SEPARATOR
from backend.interface.controls.taxonomy import Taxonomy
from backend.interface.questions import Answer, LabelConfig, Question
from backend.words import shortened
from model.spans.tags import Span
from model.types import EXCLUSIVE

MOST_SHOWN = 60
"""Characters of a name or a value that are repeated in a reason."""
SHORT = Repr()
"""Writes the beginning of a value, however long and deep it is."""
SHORT.maxstring = SHORT.maxother = 2 * MOST_SHOWN


@dataclass(frozen=True)
class ReadResult:
    """What was read of the result of one annotation: the answer, in the config's order, None if
    there is none; and why parts of it say nothing, in words."""

    answer: Answer | None
    lost: tuple[str, ...] = ()


def answer_of(result: object, config: LabelConfig) -> Answer | None:
    """The answer in the result of one annotation, in the config's order; None if there is none.

    Labels that the config does not have (any more) are left out, unless they have an alias.
    """
    return read_result(result, config).answer


def read_result(result: object, config: LabelConfig) -> ReadResult:
    """The answer in the result of one annotation, and what in it is not understood."""
    plain = _plain_answer(result, config)
    if plain is not None:
        return ReadResult(plain)
    if not isinstance(result, Sequence) or isinstance(result, str):
        return ReadResult(None, ("its result is not a list",))
    given: list[str | Span] = []
    lost: list[str] = []
    for answer, problem in _read(result, config):
        given += [] if answer is None else [answer]
        lost += [] if problem is None else [problem]
    for question in config.questions:
        is_exclusive = question.kind in EXCLUSIVE and len(given) > 1
        mine = {one for one in given if one in question.of_label} if is_exclusive else set()
        if len(mine) > 1:
            given = [one for one in given if one not in mine]
            lost.append(f"it gives {len(mine)} answers to {_named(question)}, which takes one")
    return ReadResult(config.in_order(given) or None, tuple(dict.fromkeys(lost)))


def _plain_answer(result: object, config: LabelConfig) -> Answer | None:
    """The answer where all of the result is understood as it stands, which is the usual case; None
    where a closer look is needed. All annotations are read whenever one has come."""
    given: list[str | Span] = []
    answered: set[str] = set()
    for region in result if type(result) is list else ():
        if type(region) is not dict:
            return None
        name, value = region.get("from_name"), region.get("value")
        if type(name) is not str or type(value) is not dict:
            return None
        question = config.asked.get(name)
        if question is None or question.aliases:
            return None
        prefix = question.prefix
        labels = [prefix + one if type(one) is str else one for one in question.control.read(value)]
        is_second = question.kind in EXCLUSIVE and (len(labels) > 1 or name in answered)
        if is_second or not labels or not config.knows(labels):
            return None
        given += labels
        answered.add(name)
    return config.in_order(given) or None


def _read(
    result: Sequence[object], config: LabelConfig
) -> Iterator[tuple[str | Span | None, str | None]]:
    """The answers in all regions, and in their place why there is none."""
    for region in result:
        if not isinstance(region, Mapping):
            yield None, "a part of its result is no JSON object"
            continue
        name, value = _text(region.get("from_name")), region.get("value")
        question = config.asked.get(name)
        if question is not None and isinstance(value, Mapping):
            yield from _answers(question, value, config)
        elif question is not None:
            yield None, f"an answer to {_named(question)} has no value"
        elif name not in config.others and value is not None:
            yield None, f"it answers '{_cut(name)}', and no control tag has this name"


def _answers(
    question: Question, value: Mapping[str, object], config: LabelConfig
) -> Iterator[tuple[str | Span | None, str | None]]:
    found = _without_former_paths(list(question.control.read(value)), question)
    for answer in (now for given in found for now in _by_its_name_now(given, question)):
        label = answer.label if isinstance(answer, Span) else answer
        is_known = label in config.places
        yield (answer, None) if is_known else (None, _unknown(label, question))
    if not found and _is_given(value, question):
        shown = _cut(_text(dict(value)))
        yield None, f"an answer to {_named(question)} has a form that is not understood: {shown}"


def _by_its_name_now(answer: str | Span, question: Question) -> Iterator[str | Span]:
    """The answer, renamed where it has an alias, with the question's prefix."""
    if isinstance(answer, Span):
        yield replace(answer, label=question.aliases.get(answer.label, answer.label))
    elif answer in question.aliases:
        for implied in question.control.implied(question.aliases[answer]):
            yield question.prefix + implied
    else:
        yield question.prefix + answer


def _without_former_paths(found: list[str | Span], question: Question) -> list[str | Span]:
    """Without the nodes of a taxonomy that only follow from nodes that have another path now."""
    if not isinstance(question.control, Taxonomy) or question.aliases.keys().isdisjoint(found):
        return found

    def is_former(answer: object) -> bool:
        if answer in question.aliases:
            return True
        below = [one for one in found if str(one).startswith(f"{answer}{SEPARATOR}")]
        return bool(below) and all(map(is_former, below))

    return [one for one in found if one in question.aliases or not is_former(one)]


def _is_given(value: Mapping[str, object], question: Question) -> bool:
    """Whether anything was given: an answer that people took back leaves an empty list."""
    name = question.control.type_name
    return name not in value or value[name] not in ([], "", None)


def _unknown(label: str, question: Question) -> str:
    name = label.removeprefix(question.prefix)
    return f"'{_cut(name)}' is not among the answers of {_named(question)}"


def _named(question: Question) -> str:
    return f"{question.control.tag} '{question.from_name}'"


def _text(value: object) -> str:
    return value if isinstance(value, str) else SHORT.repr(value)


def _cut(text: str) -> str:
    return shortened(text, MOST_SHOWN)
