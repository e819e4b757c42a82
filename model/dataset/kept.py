"""What a ranking keeps of the blocks of a dataset: the best few by each of several measures."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from model.types import Floats, Ints


@dataclass(frozen=True)
class Places:
    """Where some items are: parts (n,), places in these (n,), with their tickets (n,) and vectors
    (n, d), NaN for items of parts that are not encoded."""

    parts: Ints
    places: Ints
    tickets: Ints
    vectors: Floats

    def __len__(self) -> int:
        return len(self.tickets)

    def take(self, rows: Ints) -> "Places":
        return Places(self.parts[rows], self.places[rows], self.tickets[rows], self.vectors[rows])

    def and_also(self, others: "Places") -> "Places":
        """These, then those of the others that are not among them."""
        return joined(self, others.take(np.flatnonzero(~np.isin(others.tickets, self.tickets))))

    def rows_of(self, tickets: Ints) -> Ints:
        """The rows (n,) of these tickets (n,), all of which are here, each once."""
        order = np.argsort(self.tickets)
        rows: Ints = order[np.searchsorted(self.tickets, tickets, sorter=order)]
        return rows


def joined(first: Places, second: Places) -> Places:
    """These, then those."""
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return Places(*(np.concatenate(pair) for pair in pairs))


class Lowest:
    """The places with the lowest keys seen so far, at most so many, the lowest first; of equal keys
    the lower ticket, so that the order in which they are seen makes no difference."""

    def __init__(self, most: int, dimension: int) -> None:
        nothing = np.zeros(0, np.int64)
        self._most = most
        self._keys: Floats = np.zeros(0)
        self._places = Places(nothing, nothing, nothing, np.zeros((0, dimension), np.float16))

    def add(self, keys: Floats, places: Places) -> None:
        """keys (n,) of these n places."""
        low = self._low_enough(keys, places.tickets)
        if len(low) == 0:
            return
        keys = np.concatenate([self._keys, keys[low]])
        merged = joined(self._places, places.take(low))
        kept = self._lowest(keys, merged.tickets)
        self._keys, self._places = keys[kept], merged.take(kept)

    def join(self, other: "Lowest") -> None:
        """As if what the other one has seen had been added to this one."""
        self.add(other._keys, other._places)

    def places(self) -> Places:
        return self._places

    def _low_enough(self, keys: Floats, tickets: Ints) -> Ints:
        """Those that may be kept: of most blocks few are, and only these are sorted."""
        if not 0 < self._most == len(self._keys):
            return self._lowest(keys, tickets)
        low = np.flatnonzero(keys <= self._keys[-1])
        return low[self._lowest(keys[low], tickets[low])]

    def _lowest(self, keys: Floats, tickets: Ints) -> Ints:
        lowest: Ints = np.lexsort((tickets, keys))[: self._most]
        return lowest


@dataclass(frozen=True)
class Kept:
    """What a ranking keeps of the blocks that it has seen: the items of the highest priority, some
    at random, those of the audit reserve, some without a vector, and those nearest to each rare
    label."""

    best: Lowest
    at_random: Lowest
    reserve: Lowest
    unseen: Lowest
    nearest: tuple[Lowest, ...]

    def join(self, other: "Kept") -> None:
        """As if its blocks had been seen here."""
        for mine, theirs in zip(self._all(), other._all(), strict=True):
            mine.join(theirs)

    def nearest_in_turn(self) -> Places:
        """The nearest item of each rare label, then the second of each, and so on; each once."""
        found = [one.places() for one in self.nearest]
        turns = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(one)) for one in found)])
        nothing = self.best.places().take(np.zeros(0, np.int64))
        places = reduce(joined, found, nothing).take(np.argsort(turns, kind="stable"))
        _, firsts = np.unique(places.tickets, return_index=True)
        return places.take(np.sort(firsts))

    def _all(self) -> Iterator[Lowest]:
        yield from (self.best, self.at_random, self.reserve, self.unseen, *self.nearest)
