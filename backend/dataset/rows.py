"""What a row of a dataset may hold: its id, and values that a task's data can have."""

import math
from collections.abc import Iterable
from typing import Any

SHOWN_KEYS = 12
"""Columns that an error names, at most."""


MOST_DEPTH = 50
"""Levels of lists and objects in a row: what is deeper can be read, but not written again."""


class TooDeep(ValueError):
    """A row is nested too deeply."""


def cleaned(value: Any, depth: int = 0) -> Any:
    """A value as a task's data may hold it. No JSON has NaN; half of an emoji makes a task that
    Label Studio can never send, and its PostgreSQL takes no zero bytes. Raises TooDeep."""
    if depth > MOST_DEPTH:
        raise TooDeep(f"It is nested more than {MOST_DEPTH} levels deep")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): cleaned(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [cleaned(one, depth + 1) for one in value]
    return value if value is None or isinstance(value, int) else str(value)


def id_of(value: Any) -> str | None:
    """An id as text; None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        # A column of whole numbers in which some are missing comes as floats.
        return str(int(value)) if value.is_integer() else None
    if isinstance(value, int | str):
        return str(value).strip() or None
    return None


def with_keys(data: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The data of a task with all of these keys, empty where it has none: Label Studio imports no
    task that lacks one which the labelling interface shows, nor others together with it."""
    lacking = {key: "" for key in keys if data.get(key) is None}
    return {**data, **lacking} if lacking else data


def listed(columns: Iterable[str]) -> str:
    """The first of these names, and how many more there are."""
    names = list(map(str, columns))
    more = f" and {len(names) - SHOWN_KEYS} more" if len(names) > SHOWN_KEYS else ""
    return ", ".join(names[:SHOWN_KEYS]) + more


def about_blank(count: int, first: str) -> str:
    """How many rows are left out because they show nothing, the first with this id, in a sentence
    without a full stop."""
    rows, it = ("row is", "it shows") if count == 1 else ("rows are", "they show")
    return f"{count:,} {rows} left out because {it} nothing, such as {first!r}"
