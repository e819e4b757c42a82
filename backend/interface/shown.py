"""The tags that show a task's data, and what is read of them."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import cast
from xml.etree.ElementTree import Element, tostring

from backend.interface.questions import Source, SourceKind
from backend.interface.values import Encoding, Repeat, is_of_task

TAGS: dict[str, SourceKind] = {
    "Text": "text",
    "HyperText": "html",
    "Image": "image",
    "Video": "video",
    "Audio": "audio",
}
"""The object tags that are read: what questions are asked about."""
VISUAL: dict[str, SourceKind] = {"Header": "text", "Markdown": "text"}
"""Tags that show something, too, though no question can be asked about it."""
ENCODINGS = ("none", "base64", "base64unicode")
FLAG = "{{idx}}"
"""What a <Repeater> replaces by an item's number, unless its indexFlag says otherwise."""


def sources_of(
    root: Element, first: Element, ignored: Collection[SourceKind]
) -> tuple[Source, ...]:
    """What the first question refers to, then everything else that each task shows."""
    shown = [_source(first), *_all_sources(root, None)]
    every = (one for source in shown if source is not None for one in _with_track(source))
    return tuple(dict.fromkeys(one for one in every if one.kind not in ignored))


def _with_track(source: Source) -> Iterator[Source]:
    yield source
    if source.kind == "video":
        yield replace(source, kind="track")


def _all_sources(element: Element, repeat: Repeat | None) -> Iterator[Source]:
    if element.tag == "Repeater":
        if repeat is not None:
            return  # lists of lists
        repeat = Repeat(element.get("on") or "", element.get("indexFlag") or FLAG)
    source = _source(element)
    if source is not None and repeat is None:
        yield source
    elif source is not None and repeat is not None and source.kind in ("text", "html"):
        yield replace(source, repeat=repeat)
    for child in element:
        yield from _all_sources(child, repeat)


def why_unread(element: Element) -> tuple[str, str] | None:
    """Why what an object tag shows cannot be read, and what to do about it; None if it can."""
    tag, name = element.tag, element.get("name")
    if tag not in TAGS:
        return f"<{tag}> is not read, only {', '.join(TAGS)}", ""
    if _is_behind_an_address(element):
        return f"<{tag} valueType=url> is not supported", "The text must be in the task itself."
    if element.get("resolver"):
        return f"<{tag} resolver=...> is not supported", "The text must be in the task itself."
    if element.get("valueList"):
        return f"<{tag} valueList=...> is not read", "One picture a tag is: write value=..."
    if not is_of_task(_value(element)):
        return (
            f"<{tag}> '{name}' names no data key",
            "Its value must contain $ followed by a key of the task data.",
        )
    return None


def _source(element: Element) -> Source | None:
    """None for what is the same in each task, such as instructions, or cannot be read."""
    kind = TAGS.get(element.tag) or VISUAL.get(element.tag)
    if kind is None or (element.tag in TAGS and why_unread(element) is not None):
        return None
    value, encoding = _value(element), element.get("encoding") or "none"
    if not is_of_task(value):
        return None
    is_text = kind in ("text", "html") and encoding in ENCODINGS
    return Source(kind, value, cast(Encoding, encoding) if is_text else "none")


def _is_behind_an_address(element: Element) -> bool:
    return TAGS[element.tag] in ("text", "html") and element.get("valueType", "text") == "url"


def _value(element: Element) -> str:
    """The tag's value: what stands between its tags, or the attribute."""
    inner = element.text or ""
    if len(element):
        is_html = element.tag == "HyperText"
        inner += "".join(tostring(child, encoding="unicode") for child in element)
        inner = inner if is_html else ""
    return inner.strip() or (element.get("value") or "").strip()
