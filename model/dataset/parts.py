"""A dataset in parts on disk: what each item shows, and its vectors by one encoder, in files of
Parquet that are whole or absent. All that runs for long works part by part, so that a killed run
goes on with the parts that are missing, and any number of processes can share the work.

    rows/00012.parquet         id, ticket (hash of the id) and data (JSON) of the part's items
    vectors/2/00012.parquet    their vectors by encoder 2, and why an item has none
"""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from model.dataset.sizes import ADD_AGAIN, PART_ITEMS, part_file, part_numbers
from model.storage.damage import Damaged
from model.types import Floats, Ints

GROUP_ITEMS = 256
"""A few items of a part are read without most of the others: Parquet reads whole groups."""


@dataclass(frozen=True)
class Item:
    """An item of a dataset: its id, the hash of this id by which it is drawn at random, and what it
    shows, as the data of a task."""

    id: str
    ticket: int
    data: dict[str, Any]


log = logging.getLogger(__name__)


class Missing(Damaged):
    """A part is not there, or not any more."""


class RowParts:
    """What the items show. Parts are numbered from 0, and never change once written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def numbers(self) -> list[int]:
        """The numbers of the parts that are there, in order."""
        return part_numbers(self._folder)

    def write(self, number: int, items: Sequence[Item]) -> None:
        table = pa.table(
            {
                "id": pa.array([one.id for one in items], pa.string()),
                "ticket": pa.array([one.ticket for one in items], pa.int64()),
                "data": pa.array([json.dumps(one.data) for one in items], pa.string()),
            }
        )
        _write(table, self._path(number), GROUP_ITEMS)

    def delete(self, number: int) -> None:
        self._path(number).unlink(missing_ok=True)

    def tickets(self, number: int) -> Ints:
        """The tickets (n,) of a part."""
        with self._whole(number) as path:
            tickets: Ints = parquet.read_table(path, columns=["ticket"])[0].to_numpy()
        return tickets

    def count(self, number: int) -> int:
        """How many items a part has."""
        with self._whole(number) as path:
            return int(parquet.read_metadata(path).num_rows)

    def items(self, number: int) -> list[Item]:
        """All items of a part, in their order."""
        with self._whole(number) as path:
            return _items(parquet.read_table(path))

    def check(self, number: int) -> None:
        """Read all of a part, and keep nothing of it. Raises Damaged."""
        with self._whole(number) as path:
            parquet.read_table(path)

    def first(self, number: int) -> list[Item]:
        """The first items of a part, at most GROUP_ITEMS."""
        with self._whole(number) as path, parquet.ParquetFile(path) as file:
            return _items(file.read_row_group(0))

    def take(self, number: int, places: Ints) -> list[Item]:
        """Some items of a part by their places in it, in this order."""
        groups, inside = np.divmod(places, GROUP_ITEMS)
        with self._whole(number) as path, parquet.ParquetFile(path) as file:
            read = {one: _items(file.read_row_group(one)) for one in set(groups.tolist())}
        return [
            read[group][row] for group, row in zip(groups.tolist(), inside.tolist(), strict=True)
        ]

    def gathered(self, parts: Ints, places: Ints) -> list[Item]:
        """Items of several parts (n,), by their places in these (n,), in this order."""
        found: dict[int, Item] = {}
        for part in np.unique(parts).tolist():
            mine = np.flatnonzero(parts == part)
            found |= zip(mine.tolist(), self.take(part, places[mine]), strict=True)
        return [found[row] for row in range(len(parts))]

    @contextmanager
    def _whole(self, number: int) -> Iterator[Path]:
        """The file of a part. Raises Damaged when it cannot be read in the block: Missing when it
        is not there."""
        path = part_file(self._folder, number)
        try:
            yield path
        except (pa.ArrowException, OSError) as error:
            raise (Missing if isinstance(error, FileNotFoundError) else Damaged)(
                f"{path}, a part of the dataset, cannot be read ({error}). {ADD_AGAIN}"
            ) from error

    def _path(self, number: int) -> Path:
        return part_file(self._folder, number)


class VectorParts:
    """The vectors of a dataset by one encoder, of this dimension d."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder, self.dimension = folder, dimension

    def numbers(self) -> list[int]:
        """The numbers of the parts that are encoded, in order."""
        return part_numbers(self._folder)

    def write(self, number: int, vectors: Floats, reasons: Sequence[str | None]) -> None:
        """vectors (n, d), NaN for an item that cannot be encoded; reasons: why, None for others."""
        flat = pa.array(np.asarray(vectors, dtype=np.float16).ravel(), pa.float16())
        table = pa.table(
            {
                "vector": pa.FixedSizeListArray.from_arrays(flat, self.dimension),
                "reason": pa.array(reasons, pa.string()),
            }
        )
        # Hardly two numbers are the same: with a dictionary of them, reading takes four times as
        # long.
        _write(table, part_file(self._folder, number), PART_ITEMS, repeats=False)

    def read(self, number: int) -> Floats | None:
        """The vectors (n, d) of a part, float16; None if it is not encoded, or was damaged: it is
        deleted then, and encoded again."""
        column = self._column(number, "vector")
        if column is None:
            return None
        vectors: Floats = column.combine_chunks().values.to_numpy().reshape(-1, self.dimension)
        return vectors

    def unreadable(self, number: int) -> Ints | None:
        """The places in a part of the items without a vector; None as in `read`."""
        reasons = self._column(number, "reason")
        return None if reasons is None else np.flatnonzero(reasons.is_valid().to_numpy())

    def reason(self, number: int, place: int) -> str:
        """Why the item at this place of a part has no vector; "" if it has one, or as in `read`."""
        reasons = self._column(number, "reason")
        return "" if reasons is None else reasons[place].as_py() or ""

    def reasons(self, number: int) -> list[str | None] | None:
        """Of each item of a part why it has no vector, None for one that has; None as in `read`."""
        column = self._column(number, "reason")
        return None if column is None else column.to_pylist()

    def _column(self, number: int, name: str) -> pa.ChunkedArray | None:
        path = part_file(self._folder, number)
        try:
            return parquet.read_table(path, columns=[name])[name]
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError) as error:
            log.warning("%s is damaged (%s) and is made again", path, error)
            path.unlink(missing_ok=True)
            return None


def _items(table: pa.Table) -> list[Item]:
    columns = (table[name].to_pylist() for name in ("id", "ticket", "data"))
    return [Item(one, ticket, json.loads(data)) for one, ticket, data in zip(*columns, strict=True)]


def _write(table: pa.Table, path: Path, group: int, *, repeats: bool = True) -> None:
    """Write aside, then rename: a part is whole or absent. repeats: whether values do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Processes in two containers can have the same number.
    aside = path.with_suffix(f".{token_hex(4)}.unfinished")
    try:
        with aside.open("wb") as file:
            parquet.write_table(
                table, file, row_group_size=group, compression="zstd", use_dictionary=repeats
            )
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)  # on a full disk it would waste space
