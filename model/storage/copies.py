"""Which contents of a pool are near copies of others, on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.storage.arrays_file import Arrays, load_arrays, save_arrays
from model.storage.damage import Damaged
from model.types import Ints

FILE = "copies.safetensors"
"""The file's name in a project's folder."""

FORMAT = 1


@dataclass(frozen=True)
class Copies:
    """keys (n,): content keys in ascending order, of all that has copies; leaders (n,): the content
    key of the one that each counts with, which may be its own. contents, encoded: how many contents
    were looked at, how many of them have a vector that was compared; mark: see `mark_of`; seconds:
    that this took."""

    keys: Ints
    leaders: Ints
    contents: int = 0
    encoded: int = 0
    mark: int = 0
    seconds: float = 0.0

    def are_those_of(self, other: "Copies") -> bool:
        """Whether both say the same of all contents."""
        mine, theirs = (self.keys, self.leaders), (other.keys, other.leaders)
        return all(map(np.array_equal, mine, theirs))

    def groups(self, keys: Ints) -> Ints:
        """For each of these content keys (m,) that of its leader, its own for what has no copy."""
        if len(self.keys) == 0:
            return keys
        places = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        found: Ints = np.where(self.keys[places] == keys, self.leaders[places], keys)
        return found


def mark_of(keys: Ints) -> int:
    """A number that tells these content keys (n,), each once, from others; 0 for none."""
    return int(np.bitwise_xor.reduce(keys, initial=0))


NO_COPIES = Copies(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def save_copies(folder: Path, found: Copies) -> None:
    """Write it into a project's folder, in place of the one before."""
    facts = {
        "format": FORMAT,
        "contents": found.contents,
        "encoded": found.encoded,
        "mark": found.mark,
        "seconds": found.seconds,
    }
    arrays = {"keys": found.keys, "leaders": found.leaders}
    save_arrays(folder / FILE, arrays, facts)


def load_copies(folder: Path) -> Copies | None:
    """What is in a project's folder; None if there is nothing that this release can read."""
    return load_arrays(folder / FILE, FORMAT, _made_of)


def _made_of(arrays: Arrays, facts: dict[str, Any]) -> Copies:
    keys, leaders = arrays["keys"], arrays["leaders"]
    is_whole = keys.ndim == 1 and keys.shape == leaders.shape and bool((keys[1:] > keys[:-1]).all())
    if not is_whole or keys.dtype != np.int64 or leaders.dtype != np.int64:
        raise Damaged(f"{FILE} does not hold what was written")
    return Copies(keys, leaders, *_counts_in(facts))


def _counts_in(facts: dict[str, Any]) -> tuple[int, int, int, float]:
    counts = int(facts["contents"]), int(facts["encoded"]), int(facts["mark"])
    return *counts, float(facts["seconds"])
