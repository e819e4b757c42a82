"""Token states on disk by content hash: each text is encoded once per encoder.

`tokens.bin` has the states (float16) and `places.bin` two int32 a token, see `model.storage.rows`.
"""

from pathlib import Path

import numpy as np

from model.spans.tags import Tokens
from model.storage.rows import Column, RowStore
from model.types import Ints


class TokenStore:
    """The tokens of one encoder, of `dimension`, found by the key of their text."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self.dimension = dimension
        columns = {
            "states": Column("tokens.bin", np.float16, dimension),
            "places": Column("places.bin", np.int32, 2),
        }
        self._store = RowStore(folder, columns)

    def rows(self, keys: Ints) -> Ints:
        """The row (n,) of each key's text, -1 for texts that are not there yet."""
        return self._store.places(keys)

    def take(self, rows: Ints) -> Tokens:
        """The tokens of these texts, in this order. Rows come from `rows`, none of them -1."""
        columns, bounds = self._store.take(rows)
        return Tokens(columns["states"], columns["places"].astype(np.int64), bounds)

    def append(self, keys: Ints, tokens: Tokens) -> Ints:
        """Add the texts of these keys, without those whose states are not finite, whose places are
        returned. Texts that are already there are left out."""
        columns = {"states": tokens.states, "places": tokens.places}
        return self._store.append(keys, columns, tokens.bounds)

    def count(self) -> int:
        """How many texts there are."""
        return self._store.count()

    def check(self) -> int:
        """Forget what is not finite, so that it is read again. Returns how many keys that were."""
        return self._store.check()
