"""A dataset as one list of items, numbered through all of its parts: vectors and rows are read part
by part when they are asked for, so that none of it need be in memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from model.dataset.parts import VectorParts
from model.storage.damage import Damaged
from model.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Numbering:
    """starts (p + 1,): the number of the first item of each of p parts, and how many there are."""

    starts: Ints

    @classmethod
    def of(cls, sizes: Sequence[int]) -> "Numbering":
        """Of parts with so many items."""
        return cls(np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def by_part(self, numbers: Ints) -> Iterator[tuple[int, Ints, Ints]]:
        """Where these items (n,) are, part by part: the part, which of them are in it, as places
        in `numbers`, and their places in the part."""
        parts, places = self.where(numbers)
        for part in np.unique(parts).tolist():
            mine = np.flatnonzero(parts == part)
            yield part, mine, places[mine]

    def where(self, numbers: Ints) -> tuple[Ints, Ints]:
        """The part of each of these items (n,), and its place in that part (n,)."""
        parts: Ints = np.searchsorted(self.starts, numbers, side="right") - 1
        return parts, numbers - self.starts[parts]


class PartVectors:
    """See model.snapshot.Vectors. The vectors of some items, of all of which there are some; the
    part that was read last is kept, for those who go through them in order. `on_part` is called
    for each part that is read."""

    def __init__(
        self,
        vectors: VectorParts,
        numbering: Numbering,
        numbers: Ints,
        on_part: Callable[[], object] = lambda: None,
    ) -> None:
        self._vectors, self._numbering, self._numbers = vectors, numbering, numbers
        self._on_part = on_part
        self._last: tuple[int, Floats] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self._numbers), self._vectors.dimension

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, rows: Ints, /) -> Floats:
        """float16. Raises Damaged where a part cannot be read any more."""
        numbers = self._numbers[rows]
        found = np.empty((len(numbers), self._vectors.dimension), np.float16)
        for part, mine, places in self._numbering.by_part(numbers):
            found[mine] = self._part(part)[places]
        return found

    def _part(self, part: int) -> Floats:
        if self._last is None or self._last[0] != part:
            self._last = None  # else two parts are in memory
            read = self._vectors.read(part)
            if read is None:
                raise Damaged(
                    f"The vectors of part {part} of the dataset are damaged, or were deleted just "
                    "now. The server encodes what is missing: give the same command again"
                )
            self._last = part, read
            self._on_part()
        return self._last[1]


def has_vector(vectors: VectorParts, numbering: Numbering) -> tuple[Bools, Bools]:
    """Of each item (n,) whether its part is encoded, and whether it has a vector."""
    is_encoded = np.zeros(len(numbering), np.bool_)
    found = is_encoded.copy()
    for part, (start, stop) in enumerate(pairwise(numbering.starts.tolist())):
        unreadable = vectors.unreadable(part) if start < stop else None
        if unreadable is not None:
            is_encoded[start:stop] = found[start:stop] = True
            found[start + unreadable] = False
    return is_encoded, found
