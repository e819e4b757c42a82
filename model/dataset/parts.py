"""A dataset in parts on disk: what each item shows, and its vectors by one encoder, in files of
Parquet that are whole or absent. All that runs for long works part by part, so that a killed run
goes on with the parts that are missing, and any number of processes can share the work.

    rows/00012.parquet         id, ticket (hash of the id) and data (JSON) of the part's items
    vectors/2/00012.parquet    their vectors by encoder 2, and why an item has none
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from model.dataset.sizes import PART_ITEMS
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
        tickets: Ints = parquet.read_table(self._path(number), columns=["ticket"])[0].to_numpy()
        return tickets

    def items(self, number: int) -> list[Item]:
        """All items of a part, in their order."""
        return _items(parquet.read_table(self._path(number)))

    def take(self, number: int, places: Ints) -> list[Item]:
        """Some items of a part by their places in it, in this order."""
        file = parquet.ParquetFile(self._path(number))
        groups, inside = np.divmod(places, GROUP_ITEMS)
        read = {group: _items(file.read_row_group(group)) for group in sorted(set(groups.tolist()))}
        return [
            read[group][row] for group, row in zip(groups.tolist(), inside.tolist(), strict=True)
        ]

    def _path(self, number: int) -> Path:
        return _path(self._folder, number)


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
        _write(table, _path(self._folder, number), PART_ITEMS)

    def read(self, number: int) -> Floats:
        """The vectors (n, d) of a part, float16."""
        table = parquet.read_table(_path(self._folder, number), columns=["vector"])
        flat = table["vector"].combine_chunks().values.to_numpy()
        vectors: Floats = flat.reshape(-1, self.dimension)
        return vectors

    def unreadable(self) -> Iterator[tuple[int, int, str]]:
        """The items without a vector: part, place in it, and the reason."""
        for number in self.numbers():
            path = _path(self._folder, number)
            reasons = parquet.read_table(path, columns=["reason"])["reason"]
            if reasons.null_count < len(reasons):
                for place, reason in enumerate(reasons.to_pylist()):
                    if reason is not None:
                        yield number, place, reason


def _items(table: pa.Table) -> list[Item]:
    columns = (table[name].to_pylist() for name in ("id", "ticket", "data"))
    return [Item(one, ticket, json.loads(data)) for one, ticket, data in zip(*columns, strict=True)]


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.parquet"


def part_numbers(folder: Path) -> list[int]:
    """The numbers of the parts whose files are in a folder, in order."""
    return sorted(int(path.stem) for path in folder.glob("*.parquet") if path.stem.isdigit())


def _write(table: pa.Table, path: Path, group: int) -> None:
    """Write aside, then rename: a part is whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Processes in two containers can have the same number.
    aside = path.with_suffix(f".{token_hex(4)}.unfinished")
    try:
        with aside.open("wb") as file:
            parquet.write_table(table, file, row_group_size=group, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)  # on a full disk it would waste space
