"""The labels of lists: places of candidates, and which of two places comes first. Loads nothing."""

from collections.abc import Set
from itertools import permutations

from model.types import MOST_CANDIDATES

PLACES: tuple[str, ...] = tuple(map(str, range(1, MOST_CANDIDATES + 1)))
"""The labels of a choice: where in the list a candidate stands."""

ORDERED = tuple(permutations(range(MOST_CANDIDATES), 2))
"""Which two places each label of a ranking is about."""
ORDERS: tuple[str, ...] = tuple(f"{PLACES[one]}>{PLACES[other]}" for one, other in ORDERED)
"""The labels of a ranking: that one candidate precedes another."""


def order_of(given: Set[str]) -> list[int]:
    """The places of candidates, the best first, by the labels ORDERS of a ranking that are given:
    by how many others each precedes (Copeland 1951)."""
    wins = dict.fromkeys(range(MOST_CANDIDATES), 0)
    named = {place for label in given for place in ORDERED[ORDERS.index(label)]}
    for label in given:
        wins[ORDERED[ORDERS.index(label)][0]] += 1
    return sorted(named, key=lambda place: (-wins[place], place))
