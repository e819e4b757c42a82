"""From the labelling interface (XML) to a LabelConfig; what is refused comes with advice."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element

from backend.errors import UnsupportedConfig
from backend.interface.conditions import (
    When,
    conditions_of,
    is_about_a_region,
    is_about_spans,
    unmet,
    whens_of,
)
from backend.interface.controls import CONTROLS, OVER
from backend.interface.controls.boxes import BoxLabels
from backend.interface.controls.control import Asked, Control, limits_of, stored
from backend.interface.objects import OBJECTS
from backend.interface.objects.lists import LISTS, is_own_list
from backend.interface.questions import LabelConfig, Question, Source
from backend.interface.shown import read_object, sources_of
from backend.interface.tree import tree_of
from backend.words import joined
from model.types import MARKED, OF_LISTS, Medium

EXAMPLE = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text" required="true">'
    '<Choice value="Yes"/><Choice value="No"/></Choices></View>'
)


def _supported() -> str:
    """The control tags, and the object tags that they can refer to."""
    over: dict[tuple[str, ...], list[str]] = {}
    for tag, control in CONTROLS.items():
        others = (other for known, other in OVER if known == tag)
        objects = (*control.objects, *others) or tuple(OBJECTS)
        over.setdefault(objects, []).append(f"<{tag}>")
    return ", and ".join(
        f"{joined(tags, 'and')} for {joined([f'<{tag}>' for tag in objects], 'and')}"
        for objects, tags in over.items()
    )


UNREAD: tuple[Medium, ...] = ("track",)
"""What is left out unless it is asked for."""
RELATIONS = "Relations"
"""Asks for relations between spans, without a toName."""
ADVICE = f"Supported: {_supported()}, for example {EXAMPLE}"
ABOUT_SPANS = (
    "Of several such tags the first is learnt. Beside questions about whole tasks spans are learnt "
    "only where tasks show one text and nothing else."
)
ABOUT_TASKS = f"Only questions about the whole task are learnt. {ADVICE}"
OF_A_PAGE = (
    "where a span lies is counted in the page as a browser builds it, which the backend cannot "
    "repeat"
)
NOT_TOGETHER = {
    ("HyperTextLabels", "HyperText"): OF_A_PAGE,
    ("Labels", "HyperText"): OF_A_PAGE,
    ("Labels", "Paragraphs"): "Label Studio's page marks nothing with it; write <ParagraphLabels>",
}
"""A control and an object tag -> why they are not learnt together, where people may wonder."""
NOTHING_ASKED = f"No {joined(CONTROLS, 'or')} tag found in the labelling interface"


@dataclass(frozen=True)
class Parsed:
    """A control tag that can be learnt: what it asks, about which object tags, and when. notes:
    what annotations do not tell, in words."""

    question: Question
    targets: tuple[Element, ...]
    whens: tuple[When, ...]
    notes: tuple[str, ...] = ()


Way = tuple[Element, ...]
"""From the root of the labelling interface down to a tag."""


def parse(
    xml: str, ignored: Collection[Medium] = UNREAD, aliases: Mapping[str, str] | None = None
) -> LabelConfig:
    """Parse a labelling interface; sources of the `ignored` media are left out.

    aliases: former names of labels -> the names that they have now. What cannot be learnt of
    several questions is left out. Raises UnsupportedConfig if there is nothing to learn.
    """
    root = tree_of(xml)
    found: list[Parsed] = []
    refused: list[UnsupportedConfig] = []
    about_regions: list[Way] = []
    for way in _controls(root):
        if _only_draws(root, way[-1]):
            continue
        if is_about_spans(way):
            about_regions.append(way)
            continue
        try:
            found.append(_question(root, way, ignored))
        except UnsupportedConfig as error:
            refused.append(error)
    learnt = _with_what_decides(_learnt_together(root, found, refused, ignored), refused)
    if not learnt:
        refused += [_about_a_region(way) for way in about_regions]
        raise _nothing_learnt(root, refused)
    draws = learnt[0].question.kind == "boxes"
    # What is ignored elsewhere is read by the detector here.
    sources = sources_of(root, learnt[0].targets, () if draws else ignored)
    if any(one.question.kind == "spans" for one in learnt):
        sources = _with_marked(sources)
    if draws:
        boxed = read_object(learnt[0].targets[0]).boxed() or sources[0].shown
        sources = (replace(sources[0], shown=boxed),)
    questions = _with_aliases(_with_prefixes(learnt), aliases or {})
    about_spans = _about_spans(root, about_regions, questions, refused)
    names = {question.from_name for question in (*questions, *about_spans)}
    others = {way[-1].get("name", "") for way in _controls(root)} - names
    notes = (note for one in learnt for note in one.notes)
    left_out = (*(one.reason for one in refused), *notes)
    return LabelConfig(questions, sources, left_out, frozenset(others), about_spans)


def _controls(element: Element, above: Way = ()) -> Iterator[Way]:
    """The ways to all tags that ask something, also those that cannot be learnt."""
    way = (*above, element)
    if element.tag in CONTROLS or element.tag == RELATIONS or element.get("toName"):
        yield way
    for child in element:
        yield from _controls(child, way)


def _about_spans(
    root: Element,
    ways: Sequence[Way],
    questions: Sequence[Question],
    refused: list[UnsupportedConfig],
) -> tuple[Question, ...]:
    """The questions that are asked about each span that people mark; those about regions of other
    things are refused."""
    marking = next((one for one in questions if one.kind == "spans"), None)
    found = []
    for way in ways:
        element = way[-1]
        is_of_spans = marking is not None and element.get("toName") == marking.to_name
        control = CONTROLS[element.tag]
        try:
            if not is_of_spans or whens_of(way) or not element.get("name"):
                raise _about_a_region(way)
            asked = control.parse(element)
            _check_answers(element, asked)
        except UnsupportedConfig as error:
            refused.append(error)
            continue
        found.append(
            Question(
                from_name=element.get("name", ""),
                to_name=element.get("toName", ""),
                kind=asked.kind,
                answers=asked.answers,
                control=asked.control,
                prefix=f"{element.get('name')}: ",
                called=dict(zip(asked.answers, asked.called, strict=False)),
                of_label_only=_label_named(root, element.get("whenLabelValue")),
            )
        )
    return tuple(found)


def _label_named(root: Element, value: str | None) -> str | None:
    """What is stored for the label that the page shows by this name."""
    labels = (stored(one) for one in root.iter("Label") if one.get("value") == value)
    return next(labels, value)


def _about_a_region(way: Way) -> UnsupportedConfig:
    which = f"{way[-1].tag} '{way[-1].get('name', '')}'"
    return UnsupportedConfig(f"{which} is asked about a part of the task (perRegion)", ABOUT_TASKS)


def _learnt_together(
    root: Element,
    found: Sequence[Parsed],
    refused: list[UnsupportedConfig],
    ignored: Collection[Medium],
) -> list[Parsed]:
    """Spans need the tokens of one text, boxes the proposals in one picture, a comparison a vector
    of each of two things, a list one of each thing in it, all else one vector of everything that is
    shown. Between comparisons and that, what is asked first decides; boxes and lists are learnt
    where nothing else is asked. Where tasks show one text and nothing else, its tokens answer
    questions about whole tasks, too."""
    of_lists = [one for one in found if one.question.control.reads_list]
    marking = [one for one in found if one.question.kind in MARKED]
    of_tasks = [one for one in found if one not in of_lists and one not in marking]
    kept = _read_alike(of_tasks) or (marking or of_lists)[:1]
    of_spans = [one for one in marking if one.question.kind == "spans"]
    if of_tasks and of_spans and len(kept[0].targets) == 1:
        first, shown = of_spans[0], sources_of(root, kept[0].targets, ignored)
        is_one_text = len(shown) == 1 and shown[0].medium == "text"
        if is_one_text and shown == sources_of(root, first.targets, ignored):
            kept = [one for one in found if one in kept or one is first]
    for one in found:
        if one not in kept:
            refused.append(_why_alone(one, kept[0]))
    return kept


def _read_alike(found: Sequence[Parsed]) -> list[Parsed]:
    """The questions that are learnt from the same vectors as the first. Of several that compare the
    same tags only the last: a click on one of these is an answer to no other."""
    if found and len(found[0].targets) == 2:
        return [one for one in found if one.targets == found[0].targets][-1:]
    return [one for one in found if len(one.targets) == 1]


def _why_alone(one: Parsed, kept: Parsed) -> UnsupportedConfig:
    """Why a question is not learnt together with one that is."""
    advice = "Of these, what is asked first is learnt."
    if one.question.kind == "spans":
        reason, advice = f"{one.question} marks spans", ABOUT_SPANS
    elif one.question.kind == "boxes":
        reason, advice = f"{one.question} draws boxes", "Boxes are learnt alone."
    elif one.question.control.reads_list:
        reason = f"{one.question} is about a list that each task has of its own"
        advice = "Of such questions one is learnt, where nothing else is asked."
    elif one.targets == kept.targets:
        reason = f"{one.question} compares the same tags as {kept.question}"
        advice = "Label Studio's page saves answers to the last one of these only."
    elif len(one.targets) == len(kept.targets):
        reason = f"{one.question} does not compare the same tags as {kept.question}"
    elif len(one.targets) == 2:
        reason = f"{one.question} compares two tags, and {kept.question} asks about whole tasks"
    else:
        reason = f"{one.question} asks about whole tasks, and {kept.question} compares two tags"
    return UnsupportedConfig(reason, f"{advice} {ADVICE}")


def _with_marked(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """What spans are marked in, and the other texts that tasks show, such as a question."""
    first = replace(sources[0], shown=sources[0].shown.marked() or sources[0].shown)
    if first.medium != "tokens":
        return (first,)
    others = (one for one in sources[1:] if one.medium == "text")
    return (first, *(one for one in others if one.value != first.value))


def _with_what_decides(found: list[Parsed], refused: list[UnsupportedConfig]) -> list[Parsed]:
    """Without the questions that depend on what is not learnt."""
    while True:
        asked = [one.question for one in found]
        problems = {
            one.question.from_name: problem
            for one in found
            for when in one.whens
            if (problem := unmet(when, one.question, asked)) is not None
        }
        for one in found:
            if one.question.from_name in problems:
                reason = f"{one.question} is not always asked, and "
                reason += problems[one.question.from_name]
                refused.append(UnsupportedConfig(reason, ADVICE))
        if not problems:
            return found
        found = [one for one in found if one.question.from_name not in problems]


def _nothing_learnt(root: Element, refused: Sequence[UnsupportedConfig]) -> UnsupportedConfig:
    """What is the matter with a labelling interface of which nothing is learnt."""
    if refused:
        others = "; ".join(one.reason for one in refused[1:])
        first = refused[0]
        return UnsupportedConfig(first.reason, f"{first.advice} {others}".strip())
    found = ", ".join(sorted({f"<{element.tag}>" for element in root.iter()}))
    return UnsupportedConfig(NOTHING_ASKED, f"Found: {found}. {ADVICE}")


def _with_prefixes(learnt: Sequence[Parsed]) -> tuple[Question, ...]:
    """Several questions may have the same answers; their names as prefixes separate them."""
    if len(learnt) == 1:
        return (learnt[0].question,)
    prefixed = [replace(one.question, prefix=f"{one.question.from_name}: ") for one in learnt]
    labels = [label for question in prefixed for label in question.labels]
    if len(set(labels)) != len(labels):
        duplicate = Counter(labels).most_common(1)[0][0]
        raise UnsupportedConfig(
            f"Two questions have the same answer '{duplicate}'",
            "Give each control tag a different name.",
        )
    whens = {one.question.from_name: one.whens for one in learnt}
    return tuple(replace(one, conditions=conditions_of(one, whens, prefixed)) for one in prefixed)


def _with_aliases(
    questions: Sequence[Question], aliases: Mapping[str, str]
) -> tuple[Question, ...]:
    """Each with the aliases of its answers. A name that the interface has is meant as it stands."""
    return tuple(
        replace(
            one,
            aliases={
                old: new
                for old, new in aliases.items()
                if new in one.answers and old not in one.answers
            },
        )
        for one in questions
    )


def _question(root: Element, way: Way, ignored: Collection[Medium]) -> Parsed:
    """What a control tag asks. Raises UnsupportedConfig if it cannot be learnt."""
    element = way[-1]
    if element.tag == RELATIONS:
        raise UnsupportedConfig("Relations between spans are not learnt", ADVICE)
    which = f"{element.tag} '{element.get('name', '')}'"
    if not element.get("name"):
        raise UnsupportedConfig(
            f"A {element.tag} tag has no name", f"Its answers are saved under it. {ADVICE}"
        )
    targets = _targets(root, element)
    target, control = targets[0], _control_of(element, targets[0])
    if control is None or (control.objects and target.tag not in control.objects):
        why = NOT_TOGETHER.get((element.tag, target.tag))
        reason = f"{which} over <{target.tag}> is not learnt{f': {why}' if why else ''}"
        reason = reason if target is not element else f"{which} is not learnt"
        raise UnsupportedConfig(reason, ADVICE)
    asked = _asked(root, way, targets, control, ignored)
    if asked.kind == "spans" and read_object(target).marked() is None:
        raise UnsupportedConfig(
            f"{which} marks spans in a file, not in the task", f"They are not learnt. {ADVICE}"
        )
    question = Question(
        from_name=element.get("name", ""),
        to_name=targets[0].get("name", ""),
        kind=asked.kind,
        answers=asked.answers,
        control=asked.control,
        called=dict(zip(asked.answers, asked.called, strict=False)),
        limits=limits_of(element),
        most=asked.most,
    )
    if asked.control.reads_list and element.tag in LISTS:
        targets = (element,)
    notes = tuple(
        f"{which} has the choice '{name}' twice, and annotations do not tell the two apart"
        for name in asked.repeated
    )
    return Parsed(question, targets, whens_of(way), notes)


def _asked(
    root: Element,
    way: Way,
    targets: tuple[Element, ...],
    control: type[Control[Any]],
    ignored: Collection[Medium],
) -> Asked:
    """What a control tag asks of what it refers to. Raises UnsupportedConfig."""
    element = way[-1]
    which = f"{element.tag} '{element.get('name', '')}'"
    is_of_list = targets[0].tag in LISTS or (element.tag in LISTS and is_own_list(element))
    for shown in () if is_of_list else targets:
        _check_readable(which, shown, ignored, finds=control.finds)
    if not is_of_list:
        _check_alike(which, targets)
    _check_asked_of_tasks(way, which)
    if targets[0].tag in LISTS and not is_own_list(targets[0]):
        raise UnsupportedConfig(
            f"<{targets[0].tag}> '{targets[0].get('name')}' names no data key",
            f"Its value must be $ followed by a key of the task data. {ADVICE}",
        )
    asked = control.parse(element)
    if isinstance(asked.control, BoxLabels):
        shape = _rectangle_over(root, which, targets[0])
        asked = replace(asked, control=replace(asked.control, shape=shape))
    _check_answers(element, asked)
    return asked


def _check_asked_of_tasks(way: Way, which: str) -> None:
    """Raises UnsupportedConfig if the question is not asked once about a whole task."""
    if any(element.tag == "Repeater" for element in way):
        raise UnsupportedConfig(
            f"{which} is asked about each item of a list (<Repeater>)",
            ABOUT_TASKS,
        )
    regional = is_about_a_region(way)
    if regional is not None:
        raise UnsupportedConfig(
            f"{which} is asked about a part of the task ({regional})",
            ABOUT_TASKS,
        )


def _check_answers(element: Element, asked: Asked) -> None:
    """Raises UnsupportedConfig if the answers are too few, empty, duplicate or not in the XML."""
    which = f"{element.tag} '{element.get('name', '')}'"
    is_own = asked.kind not in OF_LISTS and is_own_list(element)
    if element.get("apiUrl") or is_own:
        own = f"each task's own {element.get('value')}, and only those of all tasks are learnt"
        source = element.get("apiUrl") or own
        raise UnsupportedConfig(
            f"{which} takes its choices from {source}",
            "Write its <Choice> tags into the labelling interface. Which of two things is better "
            "can be asked with <Pairwise>.",
        )
    answers, control = asked.answers, asked.control
    is_nameless = any(not name for path in asked.paths for name in path)
    if is_nameless or len(set(answers)) < control.fewest:
        raise UnsupportedConfig(
            f"{which} needs {control.needs} with a value",
            f"Found: {', '.join(answers) or 'none'}. {ADVICE}",
        )
    if len(set(answers)) != len(answers):
        duplicate = Counter(answers).most_common(1)[0][0]
        raise UnsupportedConfig(
            f"{which} has the choice '{duplicate}' twice",
            "Give each <Choice> its own value (or alias).",
        )


def _control_of(element: Element, target: Element) -> type[Control[Any]] | None:
    """The control that reads this tag where it asks about that one; None if none does."""
    return OVER.get((element.tag, target.tag)) or CONTROLS.get(element.tag)


def _only_draws(root: Element, element: Element) -> bool:
    """Whether a tag draws the boxes that a <Labels> names, and asks nothing itself."""
    pictures = {one.get("name") for one in root.iter("Image")} & {element.get("toName")}
    labels = (one for one in root.iter("Labels") if one.get("toName") in pictures)
    return element.tag == "Rectangle" and next(labels, None) is not None


def _rectangle_over(root: Element, which: str, target: Element) -> str:
    """The name of the tag with which boxes are drawn in this picture. Raises UnsupportedConfig if
    there is none."""
    shapes = (one for one in root.iter("Rectangle") if one.get("toName") == target.get("name"))
    shape = next(shapes, None)
    if shape is None or not shape.get("name"):
        raise UnsupportedConfig(
            f"{which} over <Image> is not learnt without a <Rectangle>",
            f"Of shapes in pictures only upright boxes are learnt. {ADVICE}",
        )
    return shape.get("name") or ""


def _check_readable(
    which: str, target: Element, ignored: Collection[Medium], *, finds: bool
) -> None:
    """Raises UnsupportedConfig if the object tag of a question cannot be read. finds: whether a
    detector is to find things in it."""
    try:
        shown = read_object(target)
    except UnsupportedConfig as error:
        advice = f"{which} asks about it. {error.advice} {ADVICE}"
        raise UnsupportedConfig(error.reason, advice) from None
    if finds and "proposals" in ignored:
        raise UnsupportedConfig(
            f"{which} over <{target.tag}> is not learnt without a detector",
            "Set DETECTOR to a transformers model for object detection that the boxes can begin "
            "with, a folder or a name on the Hugging Face hub, and restart the backend.",
        )
    if shown.medium in ignored and not finds:
        raise UnsupportedConfig(
            f"<{target.tag}> is not read by this backend",
            "The backend's setting IMAGE_ENCODER or AUDIO_ENCODER is 'none'.",
        )


def _check_alike(which: str, targets: Sequence[Element]) -> None:
    """Raises UnsupportedConfig if two things that are compared are not read by the same encoder."""
    media = [read_object(one).medium for one in targets]
    if len(set(media)) > 1:
        first, second = (
            f"<{one.tag}>{' in a file' if medium == 'document' else ''}"
            for one, medium in zip(targets, media, strict=True)
        )
        raise UnsupportedConfig(
            f"{which} compares a {first} with a {second}",
            "Only two texts, two texts in files, two pictures, two clips or two sounds can be "
            f"compared. {ADVICE}",
        )


def _targets(root: Element, control: Element) -> tuple[Element, ...]:
    """The object tag that a control tag refers to, or the two that it compares."""
    kind = CONTROLS.get(control.tag)
    if kind is None or not kind.is_of_two:
        return (_target(root, control),)
    names = [name.strip() for name in control.get("toName", "").split(",")]
    if len(names) != 2 or names[0] == names[1]:
        raise UnsupportedConfig(
            f"{control.tag} '{control.get('name')}' does not name the two tags that it compares",
            f'Write two different names with a comma between them, such as toName="a,b". {ADVICE}',
        )
    return tuple(_found(root, control, name) for name in names)


def _target(root: Element, control: Element) -> Element:
    """The object tag that a control tag refers to; itself for a tag such as <Chat> that is both."""
    which, wanted = f"{control.tag} '{control.get('name')}'", control.get("toName", "")
    if not wanted:
        raise UnsupportedConfig(
            f"{which} has no toName", f"Write the name of the tag that it asks about. {ADVICE}"
        )
    if "," in wanted and control.tag in CONTROLS:
        raise UnsupportedConfig(
            f"{which} asks about several tags (toName={wanted})",
            "Label Studio's page saves no answer to such a question. Name one tag: all that a task "
            f"shows is read anyway. {ADVICE}",
        )
    return _found(root, control, wanted.split(",")[0].strip())


def _found(root: Element, control: Element, wanted: str) -> Element:
    """The tag of this name that a control tag points at."""
    which = f"{control.tag} '{control.get('name')}'"
    for element in root.iter():
        if element.get("name") == wanted:
            if element is control and control.tag in CONTROLS:
                continue
            return element
    raise UnsupportedConfig(f"{which} points at no tag named '{wanted}'", ADVICE)
