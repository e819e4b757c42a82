"""From annotations, as Label Studio sends them, to answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from reprlib import Repr

from backend.interface.questions import Answer, LabelConfig, Question, spans_in
from backend.types import Json
from backend.words import shortened
from model.boxes.geometry import UNREAD, Box
from model.spans.tags import Attribute, Span
from model.types import EXCLUSIVE

MOST_SHOWN = 60
"""Characters of a name or a value that are repeated in a reason."""
RELATED = "it relates regions to each other, and relations are not learnt"
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


def read_result(result: object, config: LabelConfig, text: str = "") -> ReadResult:
    """The answer in the result of one annotation, and what in it is not understood. `text`: what
    the task shows, where `config.reads_text` asks for it."""
    if not isinstance(result, list):
        return ReadResult(None, ("its result is not a list",))
    given: list[str | Span | Box] = []
    lost: list[str] = []
    for region in result:
        _read(region, config, given, lost, text)
    if config.kind == "boxes":
        _read_nameless(result, config.questions[0], given, lost)
    if config.marking is not None and len(given) > 1:
        unlearnt = config.marking.control.not_learnt(spans_in(tuple(given)))
        lost += [unlearnt] if unlearnt else []
    if len(given) == 1 and not lost:  # as most are: all annotations are read at each submit
        return ReadResult((given[0],))
    if len(given) > 1:
        given = without_contradictions(given, config, lost)
    answer = config.in_order(given)
    is_read = any(not isinstance(one, Box) or one.label != UNREAD for one in answer)
    return ReadResult(answer if is_read else None, tuple(dict.fromkeys(lost)))


def _read(
    region: object,
    config: LabelConfig,
    given: list[str | Span | Box],
    lost: list[str],
    text: str,
) -> None:
    """Add the answers in a region to `given`, and to `lost` why others are none. All annotations
    are read whenever one has come, so nothing is written down that nobody may need."""
    if not isinstance(region, dict):
        lost.append("a part of its result is no JSON object")
        return
    if region.get("type") == "relation":  # the page saves it without a name and a value
        lost.append(RELATED)
        return
    name, value = _text(region.get("from_name")), region.get("value")
    question = config.asked.get(name)
    value = value if question is None else question.control.value_of(region)
    if question is None:
        if name not in config.others and value is not None:
            lost.append(f"it answers '{_cut(name)}', and no control tag has this name")
    elif not isinstance(value, dict):
        lost.append(f"an answer to {question} has no value")
    else:
        _read_value(value, question, config, given, lost, text)


def _read_nameless(
    result: list[object], question: Question, given: list[str | Span | Box], lost: list[str]
) -> None:
    """Add what is drawn and has no label."""
    for region in question.control.drawn_alone(result):
        value = question.control.value_of(region)
        if isinstance(value, dict):
            lost.append(_why_not(value, question))
            given.extend(question.control.unread(value))


def _why_not(value: Json, question: Question) -> str:
    shown = _cut(_text(value))
    return f"an answer to {question} {question.control.why_not(value)}: {shown}"


def _read_value(
    value: Json,
    question: Question,
    config: LabelConfig,
    given: list[str | Span | Box],
    lost: list[str],
    text: str,
) -> None:
    found = list(question.control.read(value, text))
    if question in config.about_spans:
        found = _about_a_span(found, value, config, text)
    if not found and _is_given(value, question):
        lost.append(_why_not(value, question))
        given.extend(question.control.unread(value))
    if question.aliases:
        found = question.control.renamed(found, question.aliases)
    read_before = len(given)
    for answer in found:
        whole = _prefixed(answer, question.prefix)
        label = whole if isinstance(whole, str) else whole.label
        if label in config.places or label in config.attribute_places:
            given.append(whole)
        else:
            name = label.removeprefix(question.prefix)
            lost.append(f"'{_cut(name)}' is not among the answers of {question}")
    if len(given) == read_before:  # something is there, and nobody can say that it is nothing
        given.extend(replace(one, label=UNREAD) for one in found[:1] if isinstance(one, Box))


def _about_a_span(
    found: Sequence[str], value: Json, config: LabelConfig, text: str
) -> list[Attribute]:
    """What is said of the span that this value marks, too; nothing where it marks none."""
    assert config.marking is not None
    control = config.marking.control
    marked = control.read({**value, control.type_name: [""]}, text)
    return [Attribute(one.start, one.end, label) for one in marked for label in found]


def _prefixed(answer: str | Span, prefix: str) -> str | Span:
    if isinstance(answer, str):
        return prefix + answer
    return replace(answer, label=prefix + answer.label) if prefix else answer


def without_contradictions(
    given: list[str | Span | Box], config: LabelConfig, lost: list[str]
) -> list[str | Span | Box]:
    """Without several answers to a question that takes one; why they are none goes to `lost`."""
    for question in config.questions:
        mine = set(given) & question.of_label.keys() if question.kind in EXCLUSIVE else set()
        if len(mine) > 1:
            given = [one for one in given if one not in mine]
            lost.append(f"it gives {len(mine)} answers to {question}, which takes one")
    return given


def _is_given(value: Json, question: Question) -> bool:
    """Whether anything was given: an answer that people took back leaves an empty list. What they
    marked stays where they took its label back."""
    name = question.control.type_name
    return question.control.nameless != "" or name not in value or value[name] not in ([], "", None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else SHORT.repr(value)


def _cut(text: str) -> str:
    return shortened(text, MOST_SHOWN)
