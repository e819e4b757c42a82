"""Vectors on disk by content hash: each text is encoded once per encoder, however often it occurs.

Two flat files that only grow: `keys.bin` (int64) and `vectors.bin` (float16 rows). A row counts
when both files hold it, so a crash between the two writes costs at most that row. Any process may
append (a file lock orders them) and any process may read at any time.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.storage.damage import broken_rows
from model.types import Bools, Floats, Ints

KEY_BYTES = 8
"""64-bit keys: among ten million texts, the chance that any two share one is below 1 in 300,000,
and the harm would be one wrong vector."""


LEAST_UNUSED = 10_000
"""A file is written again for at least this many vectors that nobody needs."""

COPIED_AT_ONCE = 8192

GONE = np.iinfo(np.int64).min
"""In place of the key of a vector that was damaged."""


def content_key(text: str) -> int:
    """The key of a text: a signed 64-bit hash of its content."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
    return int.from_bytes(digest, "little", signed=True)


class View:
    """Some rows of a file, in place of an array of shape (n, d): read when they are asked for, so
    that a pool of millions is never in memory."""

    def __init__(self, vectors: Floats, rows: Ints) -> None:
        self._vectors = vectors
        self._rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self._rows), self._vectors.shape[1]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, places: Ints, /) -> Floats:
        return self._vectors[self._rows[places]]

    def some(self, places: Ints) -> "View":
        """Those rows of it, not read yet."""
        return View(self._vectors, self._rows[places])


@dataclass(frozen=True)
class _Index:
    """What the files held at one moment: keys (n,) in order, the row of each, all vectors."""

    keys: Ints
    rows: Ints
    vectors: Floats

    @classmethod
    def of(cls, keys: Ints, vectors: Floats) -> "_Index":
        """The keys (rows,) as they stand in the file."""
        order = np.argsort(keys, kind="stable").astype(np.int64)
        order = order[np.count_nonzero(keys == GONE) :]  # the least of all keys
        return cls(keys[order], order, vectors)


class VectorStore:
    """The vectors of one encoder, of shape (rows, dimension), found by key. Any thread may read."""

    def __init__(self, folder: Path, dimension: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._keys_path = folder / "keys.bin"
        self._vectors_path = folder / "vectors.bin"
        self._lock_path = folder / "lock"
        self.dimension = dimension
        self._row_bytes = 2 * dimension
        self._index = self._nothing()
        self._found: tuple[Ints, _Index, Ints] | None = None
        """The last keys that cannot change, and their rows: looking up a million takes half a
        second."""

    def rows(self, keys: Ints) -> Ints:
        """For each key its row, or -1 where there is no vector yet."""
        index, last = self._refreshed(), self._found
        if last is not None and last[0] is keys and last[1] is index:
            return last[2]
        if len(index.keys) == 0:
            return np.full(len(keys), -1, dtype=np.int64)
        places = np.searchsorted(index.keys, keys).clip(max=len(index.keys) - 1)
        found = np.where(index.keys[places] == keys, index.rows[places], -1)
        if not keys.flags.writeable:
            found.setflags(write=False)
            self._found = keys, index, found
        return found

    def take(self, rows: Ints) -> Floats:
        """Vectors (len(rows), dimension), float16. Rows come from `rows`, none of them -1."""
        return self._index.vectors[rows]

    def view(self, rows: Ints) -> View:
        """The same, read from disk when indexed."""
        return View(self._index.vectors, rows)

    def append(self, keys: Ints, vectors: Floats) -> Ints:
        """Add vectors (n, dimension) under their keys, without those that are not finite, whose
        places are returned. Keys that are already there are left out."""
        halves = vectors.astype(np.float16)
        broken = broken_rows(halves)
        with locked(self._lock_path):
            new = is_first(keys) & (self.rows(keys) < 0)
            new[broken] = False
            rows = self._whole_rows()
            # Vectors first: a key without its vector must never be seen.
            write_at(self._vectors_path, rows * self._row_bytes, halves[new])
            write_at(self._keys_path, rows * KEY_BYTES, keys[new].astype(np.int64))
        return broken

    def count(self) -> int:
        """How many vectors the file holds, those among them that nobody needs."""
        return self._whole_rows()

    def check(self) -> int:
        """Forget the vectors that are not finite, so that they are encoded again. Returns how many
        they were."""
        with locked(self._lock_path):
            index = self._refreshed()
            broken = np.intersect1d(broken_rows(index.vectors), index.rows)
            for row in broken.tolist():
                write_at(self._keys_path, row * KEY_BYTES, np.array([GONE]))
            self._index = self._nothing()
        return len(broken)

    def _read(self, rows: int) -> _Index:
        keys = np.fromfile(self._keys_path, dtype=np.int64, count=rows)
        shape = (rows, self.dimension)
        return _Index.of(keys, np.memmap(self._vectors_path, np.float16, mode="r", shape=shape))

    def compact(self, keys: Ints) -> int:
        """Drop the vectors that are under none of these keys, if they are more than the others and
        at least LEAST_UNUSED. Returns how many were dropped.

        To be called while nobody else uses the folder: what is left gets other rows.
        """
        with locked(self._lock_path):
            index = self._refreshed()
            kept = np.sort(index.rows[np.isin(index.keys, keys)])
            unused = len(index.vectors) - len(kept)
            if unused < max(LEAST_UNUSED, len(kept)):
                return 0
            self._write_again(kept, index.vectors)
            self._index, self._found = self._nothing(), None
        return unused

    def _write_again(self, kept: Ints, vectors: Floats) -> None:
        keys = np.fromfile(self._keys_path, dtype=np.int64)[kept]
        new_keys, new_vectors = (
            path.with_suffix(".unfinished") for path in (self._keys_path, self._vectors_path)
        )
        for path in (new_keys, new_vectors):
            path.unlink(missing_ok=True)
        write_at(new_keys, 0, keys)
        write_at(new_vectors, 0, vectors[:0])
        for start in range(0, len(kept), COPIED_AT_ONCE):
            rows = vectors[kept[start : start + COPIED_AT_ONCE]]
            write_at(new_vectors, start * self._row_bytes, rows)
        self._keys_path.unlink()  # never an old key with a new vector: without keys, none counts
        new_vectors.replace(self._vectors_path)
        new_keys.replace(self._keys_path)

    def _nothing(self) -> _Index:
        vectors = np.zeros((0, self.dimension), np.float16)
        return _Index.of(np.zeros(0, np.int64), vectors)

    def _refreshed(self) -> _Index:
        rows = self._whole_rows()
        if rows != len(self._index.vectors):
            # At once: other threads never see half of it.
            self._index = self._read(rows) if rows else self._nothing()
        return self._index

    def _whole_rows(self) -> int:
        sizes = (
            size_of(self._keys_path) // KEY_BYTES,
            size_of(self._vectors_path) // self._row_bytes,
        )
        return min(sizes)


def is_first(keys: Ints) -> Bools:
    """For each key (n,) whether it stands there for the first time."""
    _, first = np.unique(keys, return_index=True)
    return np.isin(np.arange(len(keys)), first)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time runs the block."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def size_of(path: Path) -> int:
    """Bytes; 0 for no file."""
    return path.stat().st_size if path.exists() else 0


def write_at(path: Path, offset: int, values: NDArray[Any]) -> None:
    """Write an array's bytes from `offset` on, and have them on the disk."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.seek(offset)
        file.write(values.tobytes())
        file.flush()
        os.fsync(file.fileno())
