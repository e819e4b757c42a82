"""What is kept of a project's dataset, in MODEL_DIR/<project>/dataset/.

dataset.json           what was added; written last, so that a dataset is there as a whole or not at
                       all
arriving/              items that were sent to the server, until they are added
read.json              which files of its address were read
stream.json            how the items that arrive are kept or passed by, see backend.dataset.stream
tickets.npy            the tickets of all its items, in order of their size
rows/, vectors/        see model.dataset.parts
vectors/2/broken.json  how many items encoder 2 cannot encode, see backend.dataset.broken
reading/               which items of a part are being read, see backend.media.record
shortlist.json         the items to import next
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import DatasetDamaged
from backend.interface.questions import LabelConfig
from model.dataset.sizes import ADD_AGAIN, part_file, part_numbers
from model.storage.damage import Damaged, json_of
from model.types import Bools, Ints

FOLDER, FILE, READS, TICKETS = "dataset", "dataset.json", "reads.json", "tickets.npy"


@dataclass(frozen=True)
class Record:
    """What was added: from which address, which column holds the ids, how many items, which rows
    were left out because they show nothing; added_at: Unix time, of the last items; watched:
    whether what comes to the address later is added, too; labels_a_day: for how many of the items
    that arrive people have time, 0 if the model chooses from all items alike;
    sent: how many of the items were sent to the server; last_merged: the number of the last part
    that was made of others, -1 if there is none.

    The parts are numbered from 0 up to `parts`, but without the `gaps` [start, stop): what was in
    these parts is in a larger one now, see backend.dataset.merging.
    """

    address: str
    id_column: str
    items: int
    parts: int
    blank: int
    added_at: float
    watched: bool = False
    labels_a_day: int = 0
    sent: int = 0
    last_merged: int = -1
    gaps: tuple[tuple[int, int], ...] = ()

    @cached_property
    def numbers(self) -> list[int]:
        """The numbers of the parts, in order."""
        gone = {number for start, stop in self.gaps for number in range(start, stop)}
        return [number for number in range(self.parts) if number not in gone]

    @property
    def part_count(self) -> int:
        return self.parts - sum(stop - start for start, stop in self.gaps)


def folder_of(project: Path) -> Path:
    """Where all of a project's dataset is."""
    return project / FOLDER


def rows_of(project: Path) -> Path:
    return folder_of(project) / "rows"


def vectors_of(project: Path, encoder: int) -> Path:
    """Where the vectors by this encoder are."""
    return folder_of(project) / "vectors" / str(encoder)


def reading_of(project: Path, part: int | None = None) -> Path:
    """Where it is written down what is being read: of a part, or of all."""
    folder = folder_of(project) / "reading"
    return folder if part is None else folder / str(part)


def forget_readings(project: Path) -> None:
    """What was reading was ended on purpose: that is no fault of what it read."""
    shutil.rmtree(reading_of(project), ignore_errors=True)


def encoded_parts(project: Path, encoder: int, record: Record) -> int:
    """How many parts have vectors by this encoder."""
    there = part_numbers(vectors_of(project, encoder))
    return len(set(there).intersection(record.numbers)) if record.gaps else len(there)


def has_dataset(project: Path) -> bool:
    """Whether the project has one, damaged or not."""
    return (folder_of(project) / FILE).exists()


def read_record(project: Path) -> Record | None:
    """The project's dataset; None if it has none. Raises DatasetDamaged."""
    if not has_dataset(project):
        return None
    try:
        values = json_of(folder_of(project) / FILE)
        values["gaps"] = tuple((start, stop) for start, stop in values.get("gaps", ()))
        known = {one.name for one in fields(Record)}
        return Record(**{name: value for name, value in values.items() if name in known})
    except (Damaged, TypeError, ValueError) as error:
        raise DatasetDamaged(
            f"{folder_of(project) / FILE}, which says what the dataset is, is damaged, so nothing "
            f"of it is imported or encoded. {ADD_AGAIN}"
        ) from error


def write_tickets(project: Path, tickets: Ints) -> None:
    """Keep the tickets (n,) of all items, in order of their size."""
    path = folder_of(project) / TICKETS
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".unfinished")
    with aside.open("wb") as file:
        np.save(file, tickets)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def known_tickets(project: Path, record: Record | None) -> Ints:
    """The tickets (n,) of all items, in order of their size. Raises Damaged."""
    if record is None:
        return np.zeros(0, np.int64)
    known = _written_tickets(project)
    if known is None or len(known) != record.items:  # of an earlier release, or of a run cut off
        from model.dataset.parts import RowParts  # noqa: PLC0415 (it needs Parquet)

        rows = RowParts(rows_of(project))
        known = np.sort(np.concatenate([rows.tickets(number) for number in record.numbers]))
    return known


def are_items(project: Path, tickets: Ints) -> Bools:
    """Which of these tickets (n,) are those of items of the project's dataset; all where its own
    are not known."""
    known = _written_tickets(project)
    return np.ones(len(tickets), np.bool_) if known is None else are_among(known, tickets)


def are_among(known: Ints, tickets: Ints) -> Bools:
    """Which of these tickets (n,) are among the known ones (m,), which are in order of their
    size."""
    if len(known) == 0:
        return np.zeros(len(tickets), np.bool_)
    places = np.searchsorted(known, tickets)
    found: Bools = known[np.minimum(places, len(known) - 1)] == tickets
    return found


def _written_tickets(project: Path) -> Ints | None:
    try:
        known: Ints = np.load(folder_of(project) / TICKETS, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return known


def reads_of(config: LabelConfig) -> str:
    """Identifies what is read of each item: the columns that the labelling interface shows, and
    how."""
    return json.dumps([source.identity() for source in config.sources])


def read_reads(project: Path) -> str | None:
    """What the vectors that are there were made of; None before there are any."""
    path = folder_of(project) / READS
    return path.read_text() if path.exists() else None


def see_reads(project: Path, config: LabelConfig) -> bool:
    """Delete all vectors if the labelling interface shows something else than they were made of.
    Returns whether it does."""
    reads, before = reads_of(config), read_reads(project)
    if reads == before:
        return False
    # First, so that nothing of the kind that is just being made is written any more.
    (folder_of(project) / READS).write_text(reads)
    shutil.rmtree(folder_of(project) / "vectors", ignore_errors=True)
    return before is not None


def write_record(project: Path, record: Record) -> None:
    write_whole(folder_of(project) / FILE, asdict(record))


def delete_part(project: Path, number: int) -> None:
    """Delete the rows and all vectors of a part."""
    for folder in (rows_of(project), *(folder_of(project) / "vectors").glob("*")):
        part_file(folder, number).unlink(missing_ok=True)


def write_whole(path: Path, value: Any) -> None:
    """Write JSON that is seen as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".unfinished")
    with aside.open("w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
