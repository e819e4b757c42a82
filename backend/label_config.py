"""Labelling config (XML) -> what to learn; refuses the rest and says what to write instead."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import UnsupportedConfig
from model.spans import Span, tag_names
from model.types import Kind, LabelGroup, Layout

EXAMPLE = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text" required="true">'
    '<Choice value="Yes"/><Choice value="No"/></Choices></View>'
)
Control = Literal["choices", "taxonomy", "rating", "labels"]
CONTROLS: dict[str, Control] = {
    "Choices": "choices",
    "Taxonomy": "taxonomy",
    "Rating": "rating",
    "Labels": "labels",
}
"""The tags that ask what can be learnt, and what their answers are called."""
SEPARATOR = " / "
"""Between the names of a taxonomy's path, where it is one label."""
ADVICE = (
    "Supported: <Choices>, <Taxonomy> and <Rating> over <Text>, <HyperText>, <Image>, <Video> and "
    f"<Audio>, and <Labels> over <Text>, for example {EXAMPLE}"
)
SourceKind = Literal["text", "tokens", "html", "image", "video", "audio"]
"""`tokens`: a text of which each character has its place."""
TAGS: dict[str, SourceKind] = {
    "Text": "text",
    "HyperText": "html",
    "Image": "image",
    "Video": "video",
    "Audio": "audio",
}
CONDITIONS = ("perRegion", "perItem", "whenTagName")
DATA_KEY = re.compile(r"\$([^\s$]+)")


@dataclass(frozen=True)
class Source:
    """What annotators see of a task: the data under `data_key` as a text, a picture or a clip."""

    kind: SourceKind
    data_key: str


@dataclass(frozen=True)
class Question:
    """What one control tag asks of a task.

    `answers` are the values that Label Studio stores: a choice's alias where it has one. `prefix`
    stands before them in `labels`, where several questions are asked.

    paths: of a taxonomy, the path of each label; {} for others. All nodes are labels, and a node
    implies those above it. is_leaf_only: whether annotators may give the lowest nodes only.
    """

    from_name: str
    to_name: str
    kind: Kind
    answers: tuple[str, ...]
    control: Control = "choices"
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_leaf_only: bool = False
    prefix: str = ""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The answers by the names that they have among those of all questions."""
        return tuple(self.prefix + answer for answer in self.answers)

    @cached_property
    def of_label(self) -> dict[str, str]:
        """The answer that each label stands for."""
        return dict(zip(self.labels, self.answers, strict=True))

    @cached_property
    def inner_nodes(self) -> set[str]:
        """The answers of a taxonomy that others lie below."""
        return {SEPARATOR.join(path[:-1]) for path in self.paths.values() if len(path) > 1}

    def learnable(self, given: Set[str]) -> tuple[str, ...]:
        """The labels to learn once these were given: of a taxonomy only those, else all of them as
        soon as one of them was given."""
        known = tuple(label for label in self.labels if label in given)
        return known if self.control == "taxonomy" or not known else self.labels


@dataclass(frozen=True)
class LabelConfig:
    """What the project asks, of what.

    `sources`: what is shown, first what the first question is about; a task may lack some of them.
    `left_out`: why other questions are left to people, in words.
    """

    questions: tuple[Question, ...]
    sources: tuple[Source, ...]
    left_out: tuple[str, ...] = ()

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Those of all questions, one after the other."""
        return tuple(label for question in self.questions for label in question.labels)

    @property
    def kind(self) -> Kind:
        """Of the labels together."""
        return self.questions[0].kind if len(self.questions) == 1 else "multiple"

    @cached_property
    def places(self) -> dict[str, int]:
        """Each label's place in `labels`."""
        return {label: place for place, label in enumerate(self.labels)}

    @property
    def head_labels(self) -> tuple[str, ...]:
        """What a head decides between: the labels, or the tags of tokens."""
        return tag_names(self.labels) if self.kind == "spans" else self.labels

    def in_order(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Those of the labels that there are, in the order of `labels`; of spans those with such a
        label, in the order of the text."""
        if self.kind == "spans":
            spans = sorted(Span.parse(label) for label in set(labels))
            return tuple(str(span) for span in spans if span.label in self.places)
        return tuple(sorted(set(labels) & self.places.keys(), key=self.places.__getitem__))

    def of_labels(self, labels: Collection[str]) -> "LabelConfig":
        """The same questions with some of their labels only; without those that keep none."""
        wanted = frozenset(labels)
        questions = []
        for question in self.questions:
            kept = tuple(answer for label, answer in question.of_label.items() if label in wanted)
            questions += [replace(question, answers=kept)] if kept else []
        return replace(self, questions=tuple(questions))

    @property
    def is_learnt_in_parts(self) -> bool:
        """Whether only what was given is learnt: questions that somebody answered, and of a
        taxonomy the nodes."""
        return len(self.questions) > 1 or self.questions[0].control == "taxonomy"

    def learnable(self, given: Set[str]) -> "LabelConfig":
        """The questions with the labels to learn once these labels were given, at least one."""
        if not self.is_learnt_in_parts:
            return self
        asked = [label for question in self.questions for label in question.learnable(given)]
        return self.of_labels(asked or self.labels[:1])

    @property
    def groups(self) -> tuple[LabelGroup, ...]:
        """Where each question's labels stand among all of them; () for a single question."""
        ends = list(accumulate(len(question.labels) for question in self.questions))
        placed = zip(self.questions, [0, *ends], ends, strict=False)
        found = tuple(LabelGroup(question.kind, *place) for question, *place in placed)
        return found if len(found) > 1 else ()

    @property
    def layout(self) -> Layout:
        """What an encoder reads of a task: all texts together, then each picture, clip and
        sound."""
        kinds = [source.kind for source in self.sources]
        if "tokens" in kinds:
            return ("tokens",)
        media = (kind for kind in kinds if kind in ("image", "video", "audio"))
        return (*(("text",) if "text" in kinds or "html" in kinds else ()), *media)


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
