"""What a task shows: its text, and the addresses of its files, pictures, clips and sounds."""

import json
from collections.abc import Mapping

from backend.interface.objects.lists import Candidates, parts_of_list
from backend.interface.pairs import parts_of_both
from backend.interface.questions import LabelConfig, Source
from backend.interface.values import filled, repeated
from model.storage.vectors import content_key

Parts = tuple[str | None, ...]
"""In the order of the config's layout: the text, or the address of a picture, clip or sound, or
what backend.interface.objects wrote down of a file or of several pictures; None if the task has
none."""


def parts_of(data: object, config: LabelConfig) -> Parts | None:
    """What to read from a task's data; None if there is nothing.

    All texts are joined, one per line. Each object tag reads what is in its place: a <Text> takes
    numbers, booleans and lists as Label Studio's pages do. Two things that are compared are read
    separately, see `backend.interface.pairs`, and so are the things in a list.
    """
    if not isinstance(data, Mapping):
        return None
    values = [(source, _value(data, source)) for source in config.sources]
    if config.has_list:
        (_, listed), *others = values
        return parts_of_list(listed, [text for _, text in others if text]) if listed else None
    if config.compares:
        return parts_of_both(values)
    if config.layout == ("tokens", "beside"):
        (_, marked), *others = values
        return (marked, "\n".join(text for _, text in others if text) or None) if marked else None
    texts = [value for source, value in values if source.medium == "text"]
    media = [value for source, value in values if source.medium != "text"]
    text = "\n".join(filter(None, texts)) or None
    parts = ([text] if texts else []) + media
    return tuple(parts) if any(part is not None for part in parts) else None


def list_problem(config: LabelConfig, data: Mapping[str, object]) -> str:
    """Why nothing can be learnt of a task's list, as a clause; "" if it can."""
    shown = config.sources[0].shown
    value = filled(config.sources[0].value, data)
    return shown.problem(value) if isinstance(shown, Candidates) else ""


def key_of(parts: Parts) -> int:
    """The content key, equal for tasks that show the same."""
    (first, *others) = parts
    if not others and first is not None:
        return content_key(first)
    return content_key(json.dumps(parts))


def _value(data: Mapping[str, object], source: Source) -> str | None:
    if source.repeat is None:
        return source.shown.read(filled(source.value, data))
    items = repeated(source.value, source.repeat, data)
    return "\n".join(filter(None, map(source.shown.read, items))) or None
