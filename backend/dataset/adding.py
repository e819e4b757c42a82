"""Adds a dataset to a project: its rows are read once, checked, and kept in parts.

What is there already stays as it is, so adding again takes over what has come since.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from backend.dataset.alone import alone
from backend.dataset.arriving import (
    ID_COLUMN,
    arriving_of,
    is_sent,
    keep_aside,
    sent_files,
    sent_to,
    unread,
    write_read,
)
from backend.dataset.record import (
    Record,
    are_among,
    delete_part,
    known_tickets,
    read_record,
    rows_of,
    see_reads,
    write_record,
    write_tickets,
)
from backend.dataset.rows import TooDeep, about_blank, cleaned, id_of, listed
from backend.errors import BackendError
from backend.interface.content import parts_of
from backend.interface.questions import LabelConfig
from model.dataset.parts import Item, RowParts
from model.dataset.sizes import PART_ITEMS, part_size
from model.dataset.source import BadDataset, File, Row, Source
from model.storage.vectors import content_key
from model.types import Ints

RENAME = "Name the columns as the labelling interface does, or change it"
"""What to do where it shows columns that rows do not have."""

MOST_SAID = 20
"""Sentences about what cannot be added: a file may have a million rows without an id."""

Piece = tuple[Source, File]
"""A file, and the source that reads it."""


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


@dataclass(frozen=True)
class TakenIn:
    """What came of taking in what has come since: how many items are new, how many rows were known
    already, what cannot be added, the first of it in sentences, and how many such there are."""

    new: int
    known: int
    refused: tuple[str, ...]
    refusals: int


def add(
    project: Path,
    address: str,
    id_column: str,
    config: LabelConfig,
    advanced: Callable[[int], object] = lambda _: None,
) -> Added:
    """Read a dataset into the project's folder. `advanced` is told of each piece how many rows it
    had. Raises BackendError with a sentence for people; the project is then as it was before."""
    with alone(project):
        before = read_record(project)
        _check_same(before, address, id_column)
        try:
            source = Source(address)
            adding = _Adding(project, before, id_column, config)
            adding.run(_pieces(source), advanced)
            if not adding.items and before is None:
                raise BadDataset(adding.nothing_shown(address))
        except BadDataset as error:
            raise BackendError(str(error)) from error
        record = adding.keep(replace(adding.record(address), blank=adding.blank))
        write_read(project, source.files)
    others = tuple(one.path for one in source.others)
    return Added(record, adding.items, adding.known, adding.blank, adding.first_blank, others)


def take_in(project: Path, config: LabelConfig) -> TakenIn:
    """Add what was sent to the server, and to a watched dataset what has come to its address. What
    cannot be read is left out, and the rest is added. Raises DatasetBusy when a command adds at
    this moment."""
    with alone(project, patience=0.0):
        record = read_record(project)
        sent = sent_files(project)
        pieces = _pieces(Source(str(arriving_of(project)))) if sent else iter(())
        come, refused = _come_since(project, record)
        id_column = ID_COLUMN if record is None else record.id_column
        adding = _Adding(project, record, id_column, config, is_strict=False)
        adding.run(pieces)
        by_request = adding.items
        adding.run(come)
        if adding.items:
            made = adding.record(sent_to(project) if record is None else record.address)
            adding.keep(replace(made, sent=made.sent + by_request))
        write_read(project, [file for _, file in come])
        kept = [keep_aside(path) for path in sent if str(path) in adding.troubled]
        for path in sent:
            path.unlink(missing_ok=True)
    if kept:
        refused.append(
            f"Rows that were sent could not be added after all; what was sent is kept in {kept[0]}"
        )
    if adding.blank:
        refused.insert(0, about_blank(adding.blank, adding.first_blank))
    said = (*adding.refused, *refused)
    return TakenIn(adding.items, adding.known, said, adding.refusals + len(refused))


class _Adding:
    """One run. items: how many are new; known: how many rows were known already; blank: how many
    show nothing. Not strict: what cannot be read is left out and counted in `refusals`, and the
    first of it is said in `refused`."""

    def __init__(
        self,
        project: Path,
        before: Record | None,
        id_column: str,
        config: LabelConfig,
        *,
        is_strict: bool = True,
    ) -> None:
        self._project, self._before, self._is_strict = project, before, is_strict
        self._id_column, self._config = id_column, config
        self._rows = RowParts(rows_of(project))
        self._first = self._parts = before.parts if before else 0
        self._tickets = known_tickets(project, before)
        self._met: set[int] = set()
        """Tickets of the rows of this run, where it is not strict."""
        self.items = self.known = self.blank = 0
        self.first_blank = self._keys = ""
        self.refused: list[str] = []
        self.refusals = 0
        self.troubled: set[str] = set()
        """The files of which something was left out."""

    def run(
        self, pieces: Iterable[Piece], advanced: Callable[[int], object] = lambda _: None
    ) -> None:
        """Write the new items of these files in parts that do not count yet. Raises BadDataset, and
        nothing of the run is left then."""
        for number in self._rows.numbers():
            if number >= self._parts:
                delete_part(self._project, number)  # of a run that was killed
        size = part_size(self._config.layout)
        try:
            for items in _batched(self._new_items(pieces, advanced), size):
                self._rows.write(self._parts, items)
                self._parts += 1
                self.items += len(items)
            self._check_ids()
        except BaseException:
            for number in range(self._first, self._parts):
                self._rows.delete(number)
            raise

    def record(self, address: str) -> Record:
        """The dataset with what is new."""
        before = self._before or Record(address, self._id_column, 0, 0, 0, 0.0)
        return replace(
            before,
            address=address,
            items=before.items + self.items,
            parts=self._parts,
            added_at=time.time(),
        )

    def keep(self, record: Record) -> Record:
        """Have what is new count from now on. Returns the record."""
        write_tickets(self._project, np.sort(np.concatenate([self._tickets, self._new_tickets()])))
        see_reads(self._project, self._config)
        write_record(self._project, record)
        return record

    def _new_items(
        self, pieces: Iterable[Piece], advanced: Callable[[int], object]
    ) -> Iterator[Item]:
        for source, file in pieces:
            before = self.refusals + self.blank
            for items in _batched(self._items_of(source, file), PART_ITEMS):
                yield from filter(self._shows_something, self._unknown(items))
                advanced(len(items))
            if self.refusals + self.blank > before:
                self.troubled.add(file.path)

    def _items_of(self, source: Source, file: File) -> Iterator[Item]:
        """All of a file; where the run is not strict, up to where it cannot be read any more."""
        try:
            for row in source.rows(file):
                yield from self._read(row, file)
        except BadDataset as error:
            self._refuse(error)

    def _read(self, row: Row, file: File) -> Iterator[Item]:
        """The item of a row; none where it can be none, unless the run is strict."""
        try:
            yield self._item(row, file.path)
        except BadDataset as error:
            self._refuse(error)

    def _refuse(self, error: BadDataset) -> None:
        if self._is_strict:
            raise error
        self.refusals += 1
        if len(self.refused) < MOST_SAID:
            self.refused.append(str(error))

    def _item(self, found: Row, path: str) -> Item:
        try:
            row = cleaned(found)
        except TooDeep as error:
            raise BadDataset(f"A row of {path} cannot be an item: {error}. Flatten it") from error
        if self._id_column not in row:
            raise BadDataset(
                f"The rows of {path} have no column {self._id_column!r}, which is to hold their "
                f"ids; they have {listed(row)}. Name the right one with --id. An id is needed "
                "because labels are kept by it"
            )
        name = id_of(row[self._id_column])
        if name is None:
            raise BadDataset(
                f"A row of {path} has no id: its {self._id_column!r} is "
                f"{row[self._id_column]!r}. Give each row a text or a whole number of its own, "
                "because labels are kept by it"
            )
        return Item(name, content_key(name), row)

    def _unknown(self, items: Sequence[Item]) -> Iterator[Item]:
        """Those that the dataset does not have. Of rows with the same id the first counts, unless
        the run is strict."""
        is_known = are_among(self._tickets, np.array([one.ticket for one in items], np.int64))
        for item, known in zip(items, is_known.tolist(), strict=True):
            if known or item.ticket in self._met:
                self.known += 1
                continue
            if not self._is_strict:
                self._met.add(item.ticket)
            yield item

    def _shows_something(self, item: Item) -> bool:
        is_shown = parts_of(item.data, self._config) is not None
        if not is_shown:
            self.first_blank = self.first_blank or item.id
            self.blank += 1
            self._keys = listed(item.data)
        return is_shown

    def _check_ids(self) -> None:
        """Raises BadDataset where two new rows have the same id."""
        found, counts = np.unique(self._new_tickets(), return_counts=True)
        if not (counts > 1).any():
            return
        ticket = found[counts > 1][0]
        name = next(
            one.id
            for number in range(self._first, self._parts)
            for one in self._rows.items(number)
            if one.ticket == ticket
        )
        raise BadDataset(
            f"{int((counts > 1).sum())} ids stand in more than one row, such as {name!r} in the "
            f"column {self._id_column!r}. Labels are kept by ids, so each row needs its own: name "
            "another column with --id, or remove the repeated rows"
        )

    def _new_tickets(self) -> Ints:
        """Of the items that are new (n,)."""
        found = [self._rows.tickets(number) for number in range(self._first, self._parts)]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def nothing_shown(self, address: str) -> str:
        """Why there are no items."""
        if not self.blank:
            return f"{address} has no rows"
        keys = [key for source in self._config.sources for key in source.keys]
        return (
            f"None of the {self.blank} rows shows anything: the labelling interface shows "
            f"{', '.join(f'${key}' for key in keys)}, and the rows have {self._keys}. {RENAME}"
        )


def _pieces(source: Source) -> Iterator[Piece]:
    return ((source, file) for file in source.files)


def _come_since(project: Path, record: Record | None) -> tuple[list[Piece], list[str]]:
    """The files of a watched dataset that are new or have changed, and why they cannot be seen."""
    if record is None or not record.watched:
        return [], []
    try:
        source = Source(record.address)
    except BadDataset as error:
        return [], [str(error)]
    return [(source, one) for one in unread(project, source.files)], []


def _check_same(before: Record | None, address: str, id_column: str) -> None:
    if before is None:
        return
    # What was sent to the server has no files, and may get some.
    is_same = before.address == address or is_sent(before)
    if is_same and before.id_column == id_column:
        return
    if is_sent(before):
        raise BackendError(
            f"Items were sent to the server for this project, with their ids in "
            f"{before.id_column!r}. Files can be added to them whose ids stand in a column of that "
            "name, too"
        )
    raise BackendError(
        f"The project has a dataset already: {before.address}, with its ids in "
        f"{before.id_column!r}. A project has one dataset. Add further files to that address and "
        "run this again, or take it away first with: pool remove"
    )


def _batched(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(rows, size)):
        yield batch
