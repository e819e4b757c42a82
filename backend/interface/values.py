"""What the `value` of a tag shows of a task, filled in as Label Studio's pages do.

`$text` is the task's data under `text`, `$meta.author` and `$items[0].body` are paths into it, and
`Title: $title` has words around them. A key that is written exactly like a path comes first.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

VARIABLE = re.compile(r"\$[\w[\].{}]+")
OF_PAGES = re.compile(r"\$[\w[\].{}]+", re.ASCII)
"""What Label Studio's pages take for a variable: Latin letters, digits and _ only."""
STEP = re.compile(r"[^.[\]]+")

Encoding = Literal["none", "base64", "base64unicode"]


@dataclass(frozen=True)
class Repeat:
    """A <Repeater> around a tag: it is shown once for each item of the list `on`, with `flag` in
    its value replaced by the item's number, from 0 on."""

    on: str
    flag: str


def is_of_task(value: str) -> bool:
    """Whether the value differs from task to task."""
    return value.startswith("$") or VARIABLE.search(value) is not None


def keys_in(value: str) -> list[str]:
    """What the value refers to, without `$`: keys of a task's data, or paths."""
    if _is_one_key(value):
        return [value[1:]]
    return [found[1:] for found in VARIABLE.findall(value)]


def is_filled_in_by_pages(value: str) -> bool:
    """Whether annotators see the task's data. A page shows `$文本` as it stands, and `$my-key` as
    `$my` and `-key`."""
    return not _is_one_key(value) or OF_PAGES.fullmatch(value) is not None


def filled(value: str, data: Mapping[str, object]) -> object:
    """What is shown for this value: of one variable alone whatever the task has there, among words
    a text; None if the task has nothing there."""
    if _is_one_key(value):
        found = _at(data, value[1:])
        # A key with other characters than a variable may have, such as `my-text`.
        if found is not None or VARIABLE.fullmatch(value):
            return found
    pieces = {found: text_of(_at(data, found[1:])) for found in VARIABLE.findall(value)}
    if not any(pieces.values()):
        return None
    return VARIABLE.sub(lambda found: pieces[found[0]] or "", value)


def repeated(value: str, repeat: Repeat, data: Mapping[str, object]) -> Iterator[object]:
    """`filled` for each item of the list."""
    items = filled(repeat.on, data)
    for number in range(len(items) if isinstance(items, list) else 0):
        yield filled(value.replace(repeat.flag, str(number)), data)


def text_of(value: object) -> str | None:
    """A text, number, boolean or list of these as a page writes it; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list):
        return ",".join(filter(None, map(text_of, _leaves(value)))) or None
    return None


def _leaves(value: list[object]) -> Iterator[object]:
    """What stands in a list and in the lists in it, however deep."""
    left = [iter(value)]
    while left:
        for item in left[-1]:
            if isinstance(item, list):
                left.append(iter(item))
                break
            yield item
        else:
            left.pop()


def decoded(text: str, encoding: Encoding) -> str | None:
    """The text that stands encoded in a task; None if it is no such code."""
    if encoding == "none":
        return text
    try:
        code = base64.b64decode(text)
        return code.decode("utf-8" if encoding == "base64unicode" else "latin-1")
    except (binascii.Error, ValueError):
        return None


def _is_place(step: str) -> bool:
    return step.isdecimal() and len(step) < 10  # int() refuses thousands of digits


def _is_one_key(value: str) -> bool:
    return value.startswith("$") and len(value) > 1 and not re.search(r"[\s$]", value[1:])


def _at(data: Mapping[str, object], path: str) -> object:
    """What stands under this key or, without such a key, at the end of this path."""
    if path in data:
        return data[path]
    found: object = data
    for step in STEP.findall(path):
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and _is_place(step) and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found if found is not data else None
