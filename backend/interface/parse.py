"""Labelling interface (XML) -> what to learn; refuses the rest and says what to write instead."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import UnsupportedConfig
from backend.interface.questions import (
    SEPARATOR,
    Called,
    Control,
    LabelConfig,
    Question,
    Source,
    SourceKind,
)
from model.types import Kind

EXAMPLE = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text" required="true">'
    '<Choice value="Yes"/><Choice value="No"/></Choices></View>'
)
CONTROLS: dict[str, Control] = {
    "Choices": "choices",
    "Taxonomy": "taxonomy",
    "Rating": "rating",
    "Labels": "labels",
}
"""The tags that ask what can be learnt, and what their answers are called."""
ADVICE = (
    "Supported: <Choices>, <Taxonomy> and <Rating> over <Text>, <HyperText>, <Image>, <Video> and "
    f"<Audio>, and <Labels> over <Text>, for example {EXAMPLE}"
)
TAGS: dict[str, SourceKind] = {
    "Text": "text",
    "HyperText": "html",
    "Image": "image",
    "Video": "video",
    "Audio": "audio",
}
CONDITIONS = ("perRegion", "perItem", "whenTagName")
DATA_KEY = re.compile(r"\$([^\s$]+)")


def parse(xml: str, ignored: Collection[SourceKind] = ()) -> LabelConfig:
    """Read a labelling config; what is shown of the `ignored` kinds is left out.

    Where several questions are asked, those that cannot be learnt are left out. Raises
    UnsupportedConfig when there is nothing here to learn.
    """
    root = _tree(xml)
    controls = [element for element in root.iter() if element.tag in CONTROLS]
    if not controls:
        found = ", ".join(sorted({f"<{element.tag}>" for element in root.iter()})) or "nothing"
        raise UnsupportedConfig(
            "No Choices, Taxonomy, Rating or Labels tag found in the labelling interface",
            f"Found: {found}. {ADVICE}",
        )
    questions: list[tuple[Question, Element]] = []
    refused: list[UnsupportedConfig] = []
    for control in controls:
        try:
            questions.append(_question(root, control, ignored))
        except UnsupportedConfig as error:
            refused.append(error)
    if not questions:
        raise refused[0]
    of_tasks = [pair for pair in questions if pair[0].kind != "spans"]
    # Spans need the tokens of one text, all else a vector of all that is shown.
    learnt = of_tasks or questions[:1]
    left_out = [error.reason for error in refused]
    left_out += [f"{_named(pair[0])} marks spans" for pair in questions if pair not in learnt]
    asked, targets = zip(*learnt, strict=True)
    sources = _sources(root, targets[0], ignored)
    if not of_tasks:
        sources = (replace(sources[0], kind="tokens"),)
    return LabelConfig(_told_apart(asked), sources, tuple(left_out))


def _named(question: Question) -> str:
    return f"{question.control.capitalize()} '{question.from_name}'"


def _told_apart(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """Several questions may have the same answers; their names tell them apart."""
    if len(questions) == 1:
        return questions
    apart = tuple(replace(one, prefix=f"{one.from_name}: ") for one in questions)
    labels = [label for question in apart for label in question.labels]
    if len(set(labels)) != len(labels):
        twice = Counter(labels).most_common(1)[0][0]
        raise UnsupportedConfig(
            f"Two questions have the same answer '{twice}'", "Give each control tag another name."
        )
    return apart


def _question(
    root: Element, control: Element, ignored: Collection[SourceKind]
) -> tuple[Question, Element]:
    """What a control tag asks, and the tag that it is about. Raises UnsupportedConfig."""
    name = control.get("name", "")
    conditional = [flag for flag in CONDITIONS if control.get(flag, "false") != "false"]
    if conditional:
        raise UnsupportedConfig(
            f"{control.tag} '{name}' is conditional ({conditional[0]})",
            f"Only a question asked of every task can be learnt. {ADVICE}",
        )
    target = _target(root, control)
    _check_readable(target, ignored)
    if control.tag == "Labels" and target.tag != "Text":
        raise UnsupportedConfig(
            f"Labels '{name}' mark spans in a <{target.tag}>", f"Only those in a <Text>. {ADVICE}"
        )
    nodes = list(_nodes(control))
    answers = tuple(SEPARATOR.join(path) for path in nodes)
    _check_answers(control, nodes, answers)
    is_tree = control.tag == "Taxonomy"
    question = Question(
        from_name=name,
        to_name=target.get("name", ""),
        kind=_kind(control),
        answers=answers,
        control=CONTROLS[control.tag],
        paths=dict(zip(answers, nodes, strict=True)) if is_tree else {},
        is_leaf_only=is_tree and control.get("leafsOnly", "false") == "true",
        called=dict(zip(answers, _called(control), strict=False)),
    )
    return question, target


def _nodes(control: Element) -> Iterator[tuple[str, ...]]:
    """The path of each answer; of one name alone but in taxonomies."""
    if control.tag == "Rating":
        highest = control.get("maxRating", "5")
        stars = int(highest) if highest.isdecimal() and len(highest) < 4 else 0
        yield from ((str(star),) for star in range(1, stars + 1))
    elif control.tag == "Taxonomy":
        yield from _paths(control, ())
    elif control.tag == "Labels":
        yield from ((_name(label),) for label in control.iter("Label"))
    else:
        yield from ((_name(choice),) for choice in control.iter("Choice"))


def _called(control: Element) -> Iterator[Called]:
    """What annotators see of the answers, in the order of `_nodes`. Of stars there is nothing to
    read, and what marks spans names no whole text."""
    if control.tag == "Taxonomy":
        yield from _called_below(control, ())
    elif control.tag == "Choices":
        yield from (_shown(choice, ()) for choice in control.iter("Choice"))


def _called_below(node: Element, above: tuple[str, ...]) -> Iterator[Called]:
    """Those of all choices below a node, in the order of `_paths`."""
    for choice in node.iterfind("Choice"):
        called = _shown(choice, above)
        yield called
        yield from _called_below(choice, called.path)


def _shown(choice: Element, above: tuple[str, ...]) -> Called:
    name = choice.get("value") or choice.get("alias") or ""
    return Called((*above, name), choice.get("hint") or "")


def _check_answers(
    control: Element, nodes: list[tuple[str, ...]], answers: tuple[str, ...]
) -> None:
    """Raises UnsupportedConfig when the answers are too few, empty, the same, or elsewhere."""
    which = f"{control.tag} '{control.get('name', '')}'"
    if control.get("apiUrl") or (control.get("value") or "").startswith("$"):
        raise UnsupportedConfig(
            f"{which} takes its choices from elsewhere (apiUrl, value)",
            "Write its <Choice> tags into the labelling interface.",
        )
    fewest, needs = 2, "two or more choices"
    if control.tag == "Labels":
        fewest, needs = 1, "one or more labels"
    if any(not name for path in nodes for name in path) or len(set(answers)) < fewest:
        raise UnsupportedConfig(
            f"{which} needs {needs} with a value",
            f"Found: {', '.join(answers) or 'none'}. {ADVICE}",
        )
    if len(set(answers)) != len(answers):
        twice = Counter(answers).most_common(1)[0][0]
        raise UnsupportedConfig(
            f"{which} has the choice '{twice}' twice",
            "Give each <Choice> a value (or alias) of its own.",
        )


def _check_readable(target: Element, ignored: Collection[SourceKind]) -> None:
    """Raises UnsupportedConfig when nothing of a task can be read where a question points."""
    asked_about = _source(target)
    if asked_about is None:
        raise UnsupportedConfig(
            f"<{target.tag}> '{target.get('name')}' names no data key",
            f"Its value must be a $ and a key of the task data. {ADVICE}",
        )
    if asked_about.kind in ignored:
        raise UnsupportedConfig(
            f"<{target.tag}> is not read by this backend",
            "Its setting IMAGE_ENCODER or AUDIO_ENCODER is 'none'.",
        )


def _sources(root: Element, first: Element, ignored: Collection[SourceKind]) -> tuple[Source, ...]:
    """What the first question is about, and whatever else is shown of each task."""
    shown = [_source(element) for element in [first, *root.iter()] if element.tag in TAGS]
    read = [source for source in shown if source is not None and source.kind not in ignored]
    return tuple(dict.fromkeys(read))


def _kind(control: Element) -> Kind:
    if control.tag == "Labels":
        return "spans"
    if control.tag == "Rating":
        return "ordered"
    is_several = control.get("choice", "single").startswith("multiple")
    return "multiple" if control.tag == "Taxonomy" or is_several else "single"


def _name(choice: Element) -> str:
    """What Label Studio stores for a choice."""
    return choice.get("alias") or choice.get("value") or ""


def _paths(node: Element, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths of all choices below a node, each before those below it."""
    for choice in node.iterfind("Choice"):
        path = (*above, _name(choice))
        yield path
        yield from _paths(choice, path)


def _source(element: Element) -> Source | None:
    """None for what is the same at each task, such as instructions, or stands elsewhere."""
    key = DATA_KEY.fullmatch((element.get("value") or "").strip())
    kind = TAGS[element.tag]
    is_elsewhere = kind in ("text", "html") and element.get("valueType", "text") == "url"
    return None if key is None or is_elsewhere else Source(kind, key[1])


def _target(root: Element, control: Element) -> Element:
    wanted = control.get("toName", "")
    for element in root.iter():
        if element.get("name") == wanted and element is not control:
            if element.tag not in TAGS:
                raise UnsupportedConfig(
                    f"<{element.tag}> is not supported, only {', '.join(TAGS)}",
                    f"{control.tag} '{control.get('name')}' points at it. {ADVICE}",
                )
            if element.tag in ("Text", "HyperText") and element.get("valueType", "text") == "url":
                raise UnsupportedConfig(
                    f"<{element.tag} valueType=url> is not supported",
                    f"The text must stand in the task itself. {ADVICE}",
                )
            return element
    raise UnsupportedConfig(
        f"{control.tag} '{control.get('name')}' points at no tag named '{wanted}'", ADVICE
    )


def _tree(xml: str) -> Element:
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise UnsupportedConfig("The labelling interface is not valid XML", f"{error}.") from None
    return root
