"""Small parts of a dataset become one: items that arrive come in parts of a few, and each part is a
file to open in every pass.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from backend.dataset.alone import alone
from backend.dataset.record import (
    Record,
    delete_part,
    read_record,
    rows_of,
    vectors_of,
    write_record,
)
from model.dataset.parts import RowParts, VectorParts
from model.dataset.sizes import part_file
from model.storage.store import Store

MOST_SMALL = 32
"""So many parts may be less than half full."""

READ_SECONDS = 86_400.0
"""Who began to read a dataset goes on with the parts that it had then, for so long."""


def merge_small(project: Path, size: int, judged: int | None = None) -> Record | None:
    """Where more than MOST_SMALL parts are less than half of `size` items, put the items of as many
    as fit into a new part, with their vectors; only where all parts have numbers below `judged`,
    if one is given. Returns the dataset if it was changed.

    The files of the old parts stay for READ_SECONDS, for who reads them at this moment. Raises
    DatasetBusy when a command changes it, Damaged where a part cannot be read.
    """
    with alone(project, patience=0.0):
        record = read_record(project)
        if record is None or (judged is not None and judged < record.parts):
            return None
        return _merged(project, record, size)


def _merged(project: Path, record: Record, size: int) -> Record | None:
    rows = RowParts(rows_of(project))
    counts = {number: _count(project, number) for number in record.numbers}
    small = [number for number, count in counts.items() if count < size // 2]
    if len(small) <= MOST_SMALL:
        return None
    _delete_gone(project, record)
    fits = np.cumsum([counts[number] for number in small]) <= size
    doomed = [number for number, one in zip(small, fits.tolist(), strict=True) if one]
    rows.write(record.parts, [item for number in doomed for item in rows.items(number)])
    for vectors in _all_vectors(project):
        _merge_vectors(vectors, doomed, record.parts)
    for number in doomed:
        os.utime(part_file(rows_of(project), number))  # it is read on for a while
    merged = replace(
        record,
        parts=record.parts + 1,
        gaps=_with(record.gaps, doomed),
        last_merged=record.parts,
    )
    write_record(project, merged)
    return merged


def _merge_vectors(vectors: VectorParts, doomed: Sequence[int], number: int) -> None:
    """Unless one of the parts has none: then the new one is encoded as a whole."""
    found = [vectors.read(one) for one in doomed]
    reasons = [vectors.reasons(one) for one in doomed]
    whole = [one for one in found if one is not None]
    if len(whole) == len(doomed):
        vectors.write(
            number, np.concatenate(whole), [why for part in reasons for why in part or ()]
        )


def _all_vectors(project: Path) -> list[VectorParts]:
    encoders = Store(project).encoders().items()
    return [VectorParts(vectors_of(project, one), meta.dimension) for one, meta in encoders]


def _delete_gone(project: Path, record: Record) -> None:
    """Delete the files of parts that were merged long ago."""
    there = set(record.numbers)
    for number in RowParts(rows_of(project)).numbers():
        path = part_file(rows_of(project), number)
        if number not in there and path.stat().st_mtime < time.time() - READ_SECONDS:
            delete_part(project, number)


def _with(gaps: tuple[tuple[int, int], ...], doomed: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The gaps with these numbers as well, in order, as few as possible."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted([*gaps, *((one, one + 1) for one in doomed)]):
        if found and found[-1][1] == start:
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
    return tuple(found)


def _count(project: Path, number: int) -> int:
    path = part_file(rows_of(project), number)
    return _count_as_written(rows_of(project), number, path.stat().st_mtime_ns)


@lru_cache(maxsize=100_000)
def _count_as_written(folder: Path, number: int, written: int) -> int:
    """A part never changes, but another dataset has other parts with the same numbers."""
    del written
    return RowParts(folder).count(number)
