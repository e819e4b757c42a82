"""Rows on disk by content hash, any number of them a key: what an encoder computes is kept.

Flat files that only grow: one file of rows a column, and `texts.bin` (key, first row, number of
rows: int64). A key counts once all of its rows are in every column, so a crash in the middle of
writing loses at most the keys that were being written.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.storage.damage import broken_rows
from model.storage.vectors import is_first, locked, size_of, write_at
from model.types import Ints

KEY_BYTES = 24
KEYS_FILE = "texts.bin"


@dataclass(frozen=True)
class Column:
    """Rows of `width` numbers of one type, and the file that holds them."""

    file: str
    dtype: type
    width: int

    @property
    def row_bytes(self) -> int:
        return int(np.dtype(self.dtype).itemsize) * self.width


class RowStore:
    """Columns of rows in one folder, found by key."""

    def __init__(self, folder: Path, columns: Mapping[str, Column]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._columns = columns
        self._keys: Ints = np.zeros((0, 3), np.int64)
        self._order: Ints = np.zeros(0, np.int64)

    def places(self, keys: Ints) -> Ints:
        """The place (n,) of each key in this store, -1 for keys that are not there yet."""
        self._refresh()
        if len(self._keys) == 0:
            return np.full(len(keys), -1, dtype=np.int64)
        known = self._keys[self._order, 0]
        nearest = np.searchsorted(known, keys).clip(max=len(known) - 1)
        return np.where(known[nearest] == keys, self._order[nearest], -1)

    def take(self, places: Ints) -> tuple[dict[str, NDArray[Any]], Ints]:
        """The rows (t, width) of every column for these places, in this order, and their bounds
        (n + 1,): where the rows of each place begin, and the end. No place may be -1."""
        if len(places) and places.max() >= len(self._keys):
            self._refresh()  # they were found by another object for the same folder
        firsts, counts = self._keys[places, 1], self._keys[places, 2]
        bounds = np.concatenate([[0], np.cumsum(counts)])
        wanted = np.repeat(firsts - bounds[:-1], counts) + np.arange(bounds[-1])
        total = self._whole_rows()
        return {
            name: self._mapped(column, total)[wanted] for name, column in self._columns.items()
        }, bounds

    def append(self, keys: Ints, arrays: Mapping[str, NDArray[Any]], bounds: Ints) -> Ints:
        """Add the rows of every column (t, width), with `bounds` as `take` returns them, under
        their keys (n,), without the keys with rows that are not finite, whose places are returned.
        Keys that are already there are left out."""
        broken = self._broken_of(arrays, bounds)
        with locked(self._folder / "lock"):
            is_new = is_first(keys) & (self.places(keys) < 0)
            is_new[broken] = False
            new = np.flatnonzero(is_new)
            counts = np.diff(bounds)[new]
            wanted = np.concatenate(
                [np.zeros(0, np.int64)]
                + [np.arange(bounds[place], bounds[place + 1]) for place in new]
            )
            begin = int((self._keys[:, 1] + self._keys[:, 2]).max(initial=0))
            # Rows first: a key without its rows must never be seen.
            for name, column in self._columns.items():
                rows: NDArray[Any] = arrays[name][wanted].astype(column.dtype)
                write_at(self._folder / column.file, begin * column.row_bytes, rows)
            starts = begin + np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(new) else counts
            records = np.stack([keys[new], starts, counts], axis=1).astype(np.int64)
            self._drop_lost_keys()
            write_at(self._folder / KEYS_FILE, len(self._keys) * KEY_BYTES, records)
        return broken

    def count(self) -> int:
        """How many keys there are."""
        self._refresh()
        return len(self._keys)

    def check(self) -> int:
        """Forget the keys with rows that are not finite, so that they are encoded again. Returns
        how many they were."""
        with locked(self._folder / "lock"):
            self._refresh()
            is_broken = np.isin(np.arange(len(self._keys)), self._broken())
            if is_broken.any():
                aside = self._folder / f"{KEYS_FILE}.unfinished"
                aside.unlink(missing_ok=True)
                write_at(aside, 0, self._keys[~is_broken])
                aside.replace(self._folder / KEYS_FILE)
        return int(is_broken.sum())

    def _broken(self) -> Ints:
        """The places of the keys with rows that are not finite."""
        rows = [
            broken_rows(self._mapped(one, self._whole_rows())) for one in self._halves().values()
        ]
        firsts, counts = self._keys[:, 1], self._keys[:, 2]
        owners = np.repeat(np.arange(len(self._keys)), counts)
        owned = np.repeat(firsts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return np.unique(owners[np.isin(owned, np.concatenate([np.zeros(0, np.int64), *rows]))])

    def _broken_of(self, arrays: Mapping[str, NDArray[Any]], bounds: Ints) -> Ints:
        """The places of the keys with rows that are not finite among these."""
        rows = [broken_rows(arrays[name].astype(np.float16)) for name in self._halves()]
        found: Ints = np.searchsorted(bounds, np.concatenate(rows), side="right") - 1
        return np.unique(found)

    def _halves(self) -> dict[str, Column]:
        """The columns of float16."""
        return {name: one for name, one in self._columns.items() if one.dtype is np.float16}

    def _refresh(self) -> None:
        whole = size_of(self._folder / KEYS_FILE) // KEY_BYTES
        if whole == len(self._keys):
            return
        keys = np.fromfile(self._folder / KEYS_FILE, dtype=np.int64, count=3 * whole)
        keys = keys.reshape(-1, 3)
        # After a power failure, a key whose rows were lost and all keys after it are dropped.
        is_whole = keys[:, 1] + keys[:, 2] <= self._whole_rows()
        self._keys = keys[: int(np.logical_and.accumulate(is_whole).sum())]
        self._order = np.argsort(self._keys[:, 0], kind="stable").astype(np.int64)

    def _drop_lost_keys(self) -> None:
        """Records of lost rows must go: they would look whole again once other rows are there."""
        path, end = self._folder / KEYS_FILE, len(self._keys) * KEY_BYTES
        if size_of(path) > end:
            os.truncate(path, end)

    def _whole_rows(self) -> int:
        """How many rows all columns hold."""
        return min(
            size_of(self._folder / column.file) // column.row_bytes
            for column in self._columns.values()
        )

    def _mapped(self, column: Column, rows: int) -> NDArray[Any]:
        shape = (rows, column.width)
        if rows == 0:
            return np.zeros(shape, column.dtype)
        return np.memmap(self._folder / column.file, dtype=column.dtype, mode="r", shape=shape)
