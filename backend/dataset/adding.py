"""Adds a dataset to a project: its rows are read once, checked, and kept in parts.

What is there already stays as it is, so adding again takes over what has come since.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from backend.dataset.record import (
    Record,
    read_record,
    rows_of,
    see_reads,
    write_record,
    write_tickets,
)
from backend.errors import BackendError
from backend.folder.lock import lock_of
from backend.interface.content import parts_of
from backend.interface.questions import LabelConfig
from model.dataset.parts import Item, RowParts
from model.dataset.sizes import MEDIA_PART_ITEMS, PART_ITEMS
from model.dataset.source import BadDataset, Row, Source
from model.storage.vectors import content_key
from model.types import Ints, is_of_text

SHOWN_KEYS = 12
"""Columns that an error names, at most."""

RENAME = "Name the columns as the labelling interface does, or change it"
"""What to do where it shows columns that rows do not have."""


@dataclass(frozen=True)
class Added:
    """What came of it: the dataset as it is now, how many items are new, how many rows were known
    already, and of those that show nothing how many there are and the id of the first."""

    record: Record
    new: int
    known: int
    blank: int
    first_blank: str
    others: tuple[str, ...]
    """Files that are left out because nothing here reads them."""


def add(
    project: Path,
    address: str,
    id_column: str,
    config: LabelConfig,
    advanced: Callable[[int], object] = lambda _: None,
) -> Added:
    """Read a dataset into the project's folder. `advanced` is told of each piece how many rows it
    had. Raises BackendError with a sentence for people; the project is then as it was before."""
    rows_of(project).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        lock = lock_of(rows_of(project).parent / "lock")
        if lock is None:
            raise BackendError(
                "Another command is adding a dataset to this project. Wait until it has ended"
            )
        stack.enter_context(lock)
        try:
            return _Adding(project, address, id_column, config).run(advanced)
        except BadDataset as error:
            raise BackendError(str(error)) from error


class _Adding:
    """One run."""

    def __init__(self, project: Path, address: str, id_column: str, config: LabelConfig) -> None:
        self._project, self._id_column, self._config = project, id_column, config
        self._before = read_record(project)
        _check_same(self._before, address, id_column)
        self._source = Source(address)
        self._rows = RowParts(rows_of(project))
        self._parts = self._before.parts if self._before else 0
        self._known = self._tickets(range(self._parts))
        self._items = self._blank = self._repeated = 0
        self._first_blank = self._keys = ""

    def run(self, advanced: Callable[[int], object]) -> Added:
        for number in self._rows.numbers()[self._parts :]:
            self._rows.delete(number)  # of a run that was killed
        first = self._parts
        try:
            self._read(advanced)
            self._check_ids(first)
        except BaseException:
            for number in range(first, self._parts):
                self._rows.delete(number)
            raise
        if not self._items and self._before is None:
            raise BadDataset(self._nothing_shown())
        return self._added()

    def _read(self, advanced: Callable[[int], object]) -> None:
        size = PART_ITEMS if is_of_text(self._config.layout) else MEDIA_PART_ITEMS
        for items in _batched(self._new_items(advanced), size):
            self._rows.write(self._parts, items)
            self._parts += 1
            self._items += len(items)

    def _new_items(self, advanced: Callable[[int], object]) -> Iterator[Item]:
        for file in self._source.files:
            for rows in _batched(self._source.rows(file), PART_ITEMS):
                items = [self._item(row, file.path) for row in rows]
                is_known = np.isin([one.ticket for one in items], self._known)
                self._repeated += int(is_known.sum())
                new = [one for one, known in zip(items, is_known, strict=True) if not known]
                yield from filter(self._shows_something, new)
                advanced(len(rows))

    def _item(self, found: Row, path: str) -> Item:
        row = cleaned(found)
        if self._id_column not in row:
            raise BadDataset(
                f"The rows of {path} have no column {self._id_column!r}, which is to hold their "
                f"ids; they have {listed(row)}. Name the right one with --id. An id is needed "
                "because labels are kept by it"
            )
        name = _name(row[self._id_column])
        if name is None:
            raise BadDataset(
                f"A row of {path} has no id: its {self._id_column!r} is "
                f"{row[self._id_column]!r}. Give each row a text or a whole number of its own, "
                "because labels are kept by it"
            )
        return Item(name, content_key(name), row)

    def _shows_something(self, item: Item) -> bool:
        is_shown = parts_of(item.data, self._config) is not None
        if not is_shown:
            self._first_blank = self._first_blank or item.id
            self._blank += 1
            self._keys = listed(item.data)
        return is_shown

    def _nothing_shown(self) -> str:
        if not self._blank:
            return f"{self._source.address} has no rows"
        keys = [key for source in self._config.sources for key in source.keys]
        return (
            f"None of the {self._blank} rows shows anything: the labelling interface shows "
            f"{', '.join(f'${key}' for key in keys)}, and the rows have {self._keys}. {RENAME}"
        )

    def _check_ids(self, first: int) -> None:
        """Raises BadDataset where two new rows have the same id."""
        tickets = self._tickets(range(first, self._parts))
        found, counts = np.unique(tickets, return_counts=True)
        if not (counts > 1).any():
            return
        ticket = found[counts > 1][0]
        name = next(
            one.id
            for number in range(first, self._parts)
            for one in self._rows.items(number)
            if one.ticket == ticket
        )
        raise BadDataset(
            f"{int((counts > 1).sum())} ids stand in more than one row, such as {name!r} in the "
            f"column {self._id_column!r}. Labels are kept by ids, so each row needs its own: name "
            "another column with --id, or remove the repeated rows"
        )

    def _tickets(self, parts: range) -> Ints:
        """Of all items of these parts, in order of their size."""
        found = [self._rows.tickets(number) for number in parts]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def _added(self) -> Added:
        before = self._before
        record = Record(
            address=self._source.address,
            id_column=self._id_column,
            items=self._items + (before.items if before else 0),
            parts=self._parts,
            blank=self._blank,
            added_at=time.time(),
        )
        write_tickets(self._project, self._tickets(range(self._parts)))
        see_reads(self._project, self._config)
        write_record(self._project, record)
        others = tuple(one.path for one in self._source.others)
        counts = self._items, self._repeated, self._blank
        return Added(record, *counts, self._first_blank, others)


def _check_same(before: Record | None, address: str, id_column: str) -> None:
    if before is None or (before.address, before.id_column) == (address, id_column):
        return
    raise BackendError(
        f"The project has a dataset already: {before.address}, with its ids in "
        f"{before.id_column!r}. A project has one dataset. Add further files to that address and "
        "run this again, or take it away first with: pool remove"
    )


def cleaned(value: Any) -> Any:
    """A value as a task's data may hold it. No JSON has NaN; half of an emoji makes a task that
    Label Studio can never send, and its PostgreSQL takes no zero bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): cleaned(one) for name, one in value.items()}
    if isinstance(value, list):
        return [cleaned(one) for one in value]
    return value if value is None or isinstance(value, int) else str(value)


def _name(value: Any) -> str | None:
    """An id as text; None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        # A column of whole numbers in which some are missing comes as floats.
        return str(int(value)) if value.is_integer() else None
    if isinstance(value, int | str):
        return str(value).strip() or None
    return None


def listed(columns: Iterable[str]) -> str:
    """The first of these names, and how many more there are."""
    names = list(map(str, columns))
    more = f" and {len(names) - SHOWN_KEYS} more" if len(names) > SHOWN_KEYS else ""
    return ", ".join(names[:SHOWN_KEYS]) + more


def _batched(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(rows, size)):
        yield batch
