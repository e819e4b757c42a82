"""The states of clips and sounds on disk, by content hash: each is read once per network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.storage.rows import Column, RowStore
from model.types import Floats, Ints


class StateStore:
    """The states of one network, of `dimension`, any number of them a key (such as one a frame).

    Their file is `tokens.bin`. A folder may also hold a `places.bin`, which is not read.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self.dimension = dimension
        self._store = RowStore(folder, {"states": Column("tokens.bin", np.float16, dimension)})

    def rows(self, keys: Ints) -> Ints:
        """The row (n,) of each key, -1 for keys that are not there yet."""
        return self._store.places(keys)

    def take(self, rows: Ints) -> list[Floats]:
        """The states (f, dimension), float16, of each of these rows. Rows come from `rows`, none of
        them -1."""
        columns, bounds = self._store.take(rows)
        return np.split(columns["states"], bounds[1:-1]) if len(rows) else []

    def append(self, keys: Ints, states: Sequence[Floats]) -> None:
        """Add states, (f, dimension) a key. Keys that are already there are left out, and those
        whose states are not finite."""
        bounds = np.cumsum([0, *map(len, states)])
        joined = np.concatenate([np.zeros((0, self.dimension), np.float16), *states])
        self._store.append(keys, {"states": joined}, bounds)

    def check(self) -> int:
        """Forget what is not finite, so that it is read again. Returns how many keys that were."""
        return self._store.check()
