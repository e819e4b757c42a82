"""What the object tags of a labelling interface show of each task."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element, tostring

from backend.errors import UnsupportedConfig
from backend.interface.objects import ALSO_SHOWN, OBJECTS
from backend.interface.objects.lists import LISTS
from backend.interface.objects.object_tag import ObjectTag
from backend.interface.questions import Source
from backend.interface.values import Repeat, is_of_task
from model.types import Medium

SHOWN = OBJECTS | ALSO_SHOWN
FLAG = "{{idx}}"
"""What a <Repeater> replaces by an item's number, unless its indexFlag says otherwise."""


def sources_of(
    root: Element, targets: Sequence[Element], ignored: Collection[Medium]
) -> tuple[Source, ...]:
    """What the first question refers to, then everything else that each task shows. targets: the
    tag that it names, or the two that it compares, or the one with the list that it is about."""
    if targets[0].tag in LISTS:
        return _listed(root, targets[0])
    if len(targets) == 2:
        return _compared(root, targets, ignored)
    shown = [_source(targets[0]), *_all_sources(root, None)]
    every = [
        replace(source, shown=part)
        for source in shown
        if source is not None
        for part in source.shown.parts()
    ]
    return tuple(dict.fromkeys(one for one in every if one.medium not in ignored))


def _compared(
    root: Element, targets: Sequence[Element], ignored: Collection[Medium]
) -> tuple[Source, ...]:
    """The two things, then the texts that belong to neither. Beside anything but texts these would
    say the same of both."""
    left, right = (sources_of(target, [target], ignored) for target in targets)
    own = {*left, *right}
    is_text = left[0].medium == "text"
    texts = [one for one in _all_sources(root, None) if is_text and one.medium == "text"]
    return (
        *(replace(one, side="left") for one in left),
        *(replace(one, side="right") for one in right),
        *dict.fromkeys(one for one in texts if one not in own),
    )


def _listed(root: Element, target: Element) -> tuple[Source, ...]:
    """The list, then the texts that are beside it."""
    listed = Source(LISTS[target.tag].parse(target), target.get("value") or "", side="list")
    texts = (one for one in _all_sources(root, None) if one.medium == "text")
    return (listed, *dict.fromkeys(texts))


def _all_sources(element: Element, repeat: Repeat | None) -> Iterator[Source]:
    if element.tag == "Repeater":
        if repeat is not None:
            return  # lists of lists
        repeat = Repeat(element.get("on") or "", element.get("indexFlag") or FLAG)
    source = _source(element)
    if source is not None and repeat is None:
        yield source
    elif source is not None and repeat is not None and source.medium == "text":
        yield replace(source, repeat=repeat)
    for child in element:
        yield from _all_sources(child, repeat)


def read_object(element: Element) -> ObjectTag:
    """What an object tag shows. Raises UnsupportedConfig, with what to do about it, where it cannot
    be read."""
    tag, name = element.tag, element.get("name")
    if tag not in OBJECTS:
        raise UnsupportedConfig(f"<{tag}> is not read, only {', '.join(OBJECTS)}", "")
    shown = OBJECTS[tag].parse(element)
    if not is_of_task(_value(element)):
        raise UnsupportedConfig(
            f"<{tag}> '{name}' names no data key",
            "Its value must contain $ followed by a key of the task data.",
        )
    return shown


def _source(element: Element) -> Source | None:
    """None for what is the same in each task, such as instructions, or cannot be read."""
    if element.tag not in SHOWN or not is_of_task(_value(element)):
        return None
    try:
        return Source(SHOWN[element.tag].parse(element), _value(element))
    except UnsupportedConfig:
        return None


def _value(element: Element) -> str:
    """The tag's value: what stands between its tags, or the attribute."""
    inner = element.text or ""
    if len(element):
        inner += "".join(tostring(child, encoding="unicode") for child in element)
        inner = inner if SHOWN[element.tag].has_inner_tags else ""
    return inner.strip() or (element.get("valueList") or element.get("value") or "").strip()
