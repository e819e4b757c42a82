"""From the labelling interface (XML) to a LabelConfig; what is refused comes with advice."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import UnsupportedConfig
from backend.interface.controls import CONTROLS
from backend.interface.controls.control import Asked
from backend.interface.questions import LabelConfig, Question, Source, SourceKind

EXAMPLE = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text" required="true">'
    '<Choice value="Yes"/><Choice value="No"/></Choices></View>'
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


def _joined(names: Iterable[str], last: str) -> str:
    """For example "a, b and c", with `last` before the last name."""
    *others, final = names
    return f"{', '.join(others)} {last} {final}" if others else final


def _supported() -> str:
    """The control tags, and the object tags that they can refer to."""
    over: dict[tuple[str, ...], list[str]] = {}
    for tag, control in CONTROLS.items():
        over.setdefault(control.objects or tuple(TAGS), []).append(f"<{tag}>")
    return ", and ".join(
        f"{_joined(tags, 'and')} for {_joined([f'<{tag}>' for tag in objects], 'and')}"
        for objects, tags in over.items()
    )


ADVICE = f"Supported: {_supported()}, for example {EXAMPLE}"
NOTHING_ASKED = f"No {_joined(CONTROLS, 'or')} tag found in the labelling interface"


def parse(xml: str, ignored: Collection[SourceKind] = ()) -> LabelConfig:
    """Parse a labelling interface; sources of the `ignored` kinds are left out.

    If several questions are asked, those that cannot be learnt are left out. Raises
    UnsupportedConfig if there is nothing to learn.
    """
    root = _tree(xml)
    controls = [element for element in root.iter() if element.tag in CONTROLS]
    if not controls:
        found = ", ".join(sorted({f"<{element.tag}>" for element in root.iter()})) or "nothing"
        raise UnsupportedConfig(NOTHING_ASKED, f"Found: {found}. {ADVICE}")
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
    # Spans need the tokens of one text, all else one vector of everything that is shown.
    learnt = of_tasks or questions[:1]
    left_out = [error.reason for error in refused]
    left_out += [f"{_named(pair[0])} marks spans" for pair in questions if pair not in learnt]
    asked, targets = zip(*learnt, strict=True)
    sources = _sources(root, targets[0], ignored)
    if not of_tasks:
        sources = (replace(sources[0], kind="tokens"),)
    return LabelConfig(_with_prefixes(asked), sources, tuple(left_out))


def _named(question: Question) -> str:
    return f"{question.control.tag} '{question.from_name}'"


def _with_prefixes(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """Several questions may have the same answers; their names as prefixes separate them."""
    if len(questions) == 1:
        return questions
    prefixed = tuple(replace(one, prefix=f"{one.from_name}: ") for one in questions)
    labels = [label for question in prefixed for label in question.labels]
    if len(set(labels)) != len(labels):
        duplicate = Counter(labels).most_common(1)[0][0]
        raise UnsupportedConfig(
            f"Two questions have the same answer '{duplicate}'",
            "Give each control tag a different name.",
        )
    return prefixed


def _question(
    root: Element, element: Element, ignored: Collection[SourceKind]
) -> tuple[Question, Element]:
    """What a control tag asks, and the object tag that it refers to. Raises UnsupportedConfig."""
    name, control = element.get("name", ""), CONTROLS[element.tag]
    conditional = [flag for flag in CONDITIONS if element.get(flag, "false") != "false"]
    if conditional:
        raise UnsupportedConfig(
            f"{element.tag} '{name}' is conditional ({conditional[0]})",
            f"Only a question that is asked for every task can be learnt. {ADVICE}",
        )
    target = _target(root, element)
    _check_readable(target, ignored)
    if control.objects and target.tag not in control.objects:
        raise UnsupportedConfig(
            f"{element.tag} '{name}' {control.asks} in a <{target.tag}>",
            f"Supported in {_joined([f'<{tag}>' for tag in control.objects], 'or')} only. {ADVICE}",
        )
    asked = control.parse(element)
    _check_answers(element, asked)
    question = Question(
        from_name=name,
        to_name=target.get("name", ""),
        kind=asked.kind,
        answers=asked.answers,
        control=asked.control,
        called=dict(zip(asked.answers, asked.called, strict=False)),
    )
    return question, target


def _check_answers(element: Element, asked: Asked) -> None:
    """Raises UnsupportedConfig if the answers are too few, empty, duplicate or not in the XML."""
    which = f"{element.tag} '{element.get('name', '')}'"
    if element.get("apiUrl") or (element.get("value") or "").startswith("$"):
        raise UnsupportedConfig(
            f"{which} loads its choices from elsewhere (apiUrl, value)",
            "Write its <Choice> tags into the labelling interface.",
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


def _check_readable(target: Element, ignored: Collection[SourceKind]) -> None:
    """Raises UnsupportedConfig if the object tag of a question cannot be read."""
    asked_about = _source(target)
    if asked_about is None:
        raise UnsupportedConfig(
            f"<{target.tag}> '{target.get('name')}' names no data key",
            f"Its value must be $ followed by a key of the task data. {ADVICE}",
        )
    if asked_about.kind in ignored:
        raise UnsupportedConfig(
            f"<{target.tag}> is not read by this backend",
            "The backend's setting IMAGE_ENCODER or AUDIO_ENCODER is 'none'.",
        )


def _sources(root: Element, first: Element, ignored: Collection[SourceKind]) -> tuple[Source, ...]:
    """What the first question refers to, then everything else that each task shows."""
    shown = [_source(element) for element in [first, *root.iter()] if element.tag in TAGS]
    read = [source for source in shown if source is not None and source.kind not in ignored]
    return tuple(dict.fromkeys(read))


def _source(element: Element) -> Source | None:
    """None for what is the same in each task, such as instructions, or is loaded from a URL."""
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
                    f"The text must be in the task itself. {ADVICE}",
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
