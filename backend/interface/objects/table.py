"""<Table>: the keys and values of an object, or the rows of a table."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from xml.etree.ElementTree import Element

from backend.errors import UnsupportedConfig
from backend.interface.objects.object_tag import (
    MOST_ENTRIES,
    ObjectTag,
    lines,
    refuse_lists,
    words_in,
)

MOST_COLUMNS = 100
"""Of a row."""


@dataclass(frozen=True)
class Table(ObjectTag):
    """A line of what is read is "key: value", of a list of objects a row."""

    tag = "Table"
    kind = "table"

    @classmethod
    def parse(cls, element: Element) -> ObjectTag:
        refuse_lists(element)
        stated = element.get("valueType", "json")
        if stated != "json":
            raise UnsupportedConfig(
                f"<Table valueType={stated}> is not read",
                "The table must be in the task itself, as an object or a list of objects.",
            )
        return cls()

    def read(self, value: object) -> str | None:
        return lines(_rows(_unpacked(value)))


def _unpacked(value: object) -> object:
    """Label Studio's page also shows the JSON that stands in a text, and of any other text that
    there is no data."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _rows(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        # In the page's order. PostgreSQL keeps the keys of an object in an order of its own.
        entries = islice(value.items(), MOST_ENTRIES)
        yield from _entries(sorted(entries, key=lambda entry: (str(entry[0]).lower(), entry[0])))
    elif isinstance(value, list):
        for row in islice(value, MOST_ENTRIES):
            is_object = isinstance(row, Mapping)
            yield (
                ", ".join(_entries(islice(row.items(), MOST_COLUMNS)))
                if is_object
                else words_in(row)
            )


def _entries(entries: Iterable[tuple[object, object]]) -> Iterator[str]:
    """Those that have a value."""
    for key, value in entries:
        words = words_in(value)
        if words:
            yield f"{key}: {words}"
