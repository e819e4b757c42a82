"""Labelling config (XML) -> what to learn; refuses the rest and says what to write instead."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import UnsupportedConfig
from model.types import Layout

EXAMPLE = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text" required="true">'
    '<Choice value="Yes"/><Choice value="No"/></Choices></View>'
)
Control = Literal["choices", "taxonomy", "rating"]
CONTROLS: dict[str, Control] = {"Choices": "choices", "Taxonomy": "taxonomy", "Rating": "rating"}
"""The tags that ask what can be learnt, and what their answers are called. Of several kinds the
first counts, and the others are left to people."""
SEPARATOR = " / "
"""Between the names of a taxonomy's path, where it is one label."""
ADVICE = (
    "Supported: one <Choices>, <Taxonomy> or <Rating> over <Text>, <HyperText>, <Image>, "
    f"<Video> or <Audio>, for example {EXAMPLE}"
)
SourceKind = Literal["text", "html", "image", "video", "audio"]
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
class LabelConfig:
    """What the project asks: which labels, of what.

    `labels` are the values that Label Studio stores: a choice's alias where it has one. `sources`:
    what is shown, first what the question is about; a task may lack some of them.

    paths: of a taxonomy, the path of each label; {} for choices. All nodes are labels, and a node
    implies those above it. is_leaf_only: whether annotators may give the lowest nodes only.
    """

    from_name: str
    to_name: str
    kind: Literal["single", "multiple"]
    labels: tuple[str, ...]
    sources: tuple[Source, ...]
    control: Control = "choices"
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_leaf_only: bool = False

    @cached_property
    def places(self) -> dict[str, int]:
        """Each label's place in `labels`."""
        return {label: place for place, label in enumerate(self.labels)}

    @cached_property
    def inner_nodes(self) -> set[str]:
        """The labels of a taxonomy that others lie below."""
        return {SEPARATOR.join(path[:-1]) for path in self.paths.values() if len(path) > 1}

    def in_order(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Those of the labels that there are, in the order of `labels`."""
        return tuple(sorted(set(labels) & self.places.keys(), key=self.places.__getitem__))

    def of_labels(self, labels: tuple[str, ...]) -> "LabelConfig":
        """The same question with some of its labels only."""
        return replace(self, labels=labels)

    @property
    def layout(self) -> Layout:
        """What an encoder reads of a task: all texts together, then each picture, clip and
        sound."""
        kinds = [source.kind for source in self.sources]
        media = (kind for kind in kinds if kind in ("image", "video", "audio"))
        return (*(("text",) if "text" in kinds or "html" in kinds else ()), *media)


def parse(xml: str, ignored: Collection[SourceKind] = ()) -> LabelConfig:
    """Read a labelling config; what is shown of the `ignored` kinds is left out.

    Raises UnsupportedConfig when there is nothing here to learn.
    """
    root = _tree(xml)
    controls = next(filter(None, ([*root.iter(tag)] for tag in CONTROLS)), [])
    if not controls:
        found = ", ".join(sorted({f"<{element.tag}>" for element in root.iter()})) or "nothing"
        raise UnsupportedConfig(
            "No Choices, Taxonomy or Rating tag found in the labelling interface",
            f"Found: {found}. {ADVICE}",
        )
    if len(controls) > 1:
        names = ", ".join(control.get("name", "?") for control in controls)
        raise UnsupportedConfig(
            f"{len(controls)} {controls[0].tag} tags found, one is supported",
            f"Found: {names}. {ADVICE}",
        )
    return _from_control(root, controls[0], ignored)


def _from_control(root: Element, control: Element, ignored: Collection[SourceKind]) -> LabelConfig:
    name = control.get("name", "")
    conditional = [flag for flag in CONDITIONS if control.get(flag, "false") != "false"]
    if conditional:
        raise UnsupportedConfig(
            f"{control.tag} '{name}' is conditional ({conditional[0]})",
            f"Only a question asked of every task can be learnt. {ADVICE}",
        )
    target = _target(root, control)
    nodes = list(_nodes(control))
    labels = tuple(SEPARATOR.join(path) for path in nodes)
    _check_labels(control, nodes, labels)
    return LabelConfig(
        from_name=name,
        to_name=target.get("name", ""),
        kind=_kind(control),
        labels=labels,
        sources=_sources(root, target, ignored),
        control=CONTROLS[control.tag],
        paths=dict(zip(labels, nodes, strict=True)) if control.tag == "Taxonomy" else {},
        is_leaf_only=control.tag == "Taxonomy" and control.get("leafsOnly", "false") == "true",
    )


def _nodes(control: Element) -> Iterator[tuple[str, ...]]:
    """The path of each label; of one name alone but in taxonomies."""
    if control.tag == "Rating":
        highest = control.get("maxRating", "5")
        stars = int(highest) if highest.isdecimal() and len(highest) < 4 else 0
        yield from ((str(star),) for star in range(1, stars + 1))
    elif control.tag == "Taxonomy":
        yield from _paths(control, ())
    else:
        yield from ((_name(choice),) for choice in control.iter("Choice"))


def _check_labels(control: Element, nodes: list[tuple[str, ...]], labels: tuple[str, ...]) -> None:
    """Raises UnsupportedConfig when the labels are too few, empty, the same, or elsewhere."""
    which = f"{control.tag} '{control.get('name', '')}'"
    if control.get("apiUrl") or (control.get("value") or "").startswith("$"):
        raise UnsupportedConfig(
            f"{which} takes its choices from elsewhere (apiUrl, value)",
            "Write its <Choice> tags into the labelling interface.",
        )
    if any(not name for path in nodes for name in path) or len(set(labels)) < 2:
        raise UnsupportedConfig(
            f"{which} needs two or more choices with a value",
            f"Found: {', '.join(labels) or 'none'}. {ADVICE}",
        )
    if len(set(labels)) != len(labels):
        twice = Counter(labels).most_common(1)[0][0]
        raise UnsupportedConfig(
            f"{which} has the choice '{twice}' twice",
            "Give each <Choice> a value (or alias) of its own.",
        )


def _sources(root: Element, target: Element, ignored: Collection[SourceKind]) -> tuple[Source, ...]:
    """What the question is about, and whatever else is shown of each task."""
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
    shown = [_source(element) for element in root.iter() if element.tag in TAGS]
    read = [source for source in shown if source is not None and source.kind not in ignored]
    return tuple(dict.fromkeys([asked_about, *read]))


def _kind(control: Element) -> Literal["single", "multiple"]:
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
