"""Proposals of a detector on disk by content hash: each picture is read once per detector.

`states.bin` and `scores.bin` (float16), `boxes.bin` (float32) and `pages.bin` (int32), see
`model.storage.rows`.
"""

from pathlib import Path

import numpy as np

from model.boxes.proposals import Proposals
from model.storage.rows import Column, RowStore
from model.types import Ints


class ProposalStore:
    """The proposals of one detector, with states of `dimension` and scores for `things`, found by
    the key of what shows them."""

    def __init__(self, folder: Path, dimension: int, things: int) -> None:
        self.dimension = dimension
        columns = {
            "states": Column("states.bin", np.float16, dimension),
            "scores": Column("scores.bin", np.float16, things),
            "boxes": Column("boxes.bin", np.float32, 4),
            "pages": Column("pages.bin", np.int32, 3),
        }
        self._store = RowStore(folder, columns)

    def rows(self, keys: Ints) -> Ints:
        """The row (n,) of each key, -1 for those that are not there yet."""
        return self._store.places(keys)

    def take(self, rows: Ints) -> Proposals:
        """The proposals of these rows, in this order. Rows come from `rows`, none of them -1."""
        found, bounds = self._store.take(rows)
        pages = found["pages"].astype(np.int64)
        return Proposals(found["states"], found["boxes"], found["scores"], pages, bounds)

    def append(self, keys: Ints, proposals: Proposals) -> Ints:
        """Add what these keys show, without those whose states or scores are not finite, whose
        places are returned. What is already there is left out."""
        columns = {
            "states": proposals.states,
            "scores": proposals.scores,
            "boxes": proposals.boxes,
            "pages": proposals.pages,
        }
        return self._store.append(keys, columns, proposals.bounds)

    def count(self) -> int:
        """How many keys there are."""
        return self._store.count()

    def check(self) -> int:
        """Forget what is not finite, so that it is read again. Returns how many keys that were."""
        return self._store.check()
