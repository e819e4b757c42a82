"""Chooses the items of a dataset that are worth asking for, part by part: of each part the best few
are kept, and the strategy then compares these few. Nothing of the size of the pool is in memory.
"""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from model.choosing.audit import draw, in_reserve, interleave
from model.choosing.choice import Choice
from model.heads.head import Head
from model.snapshot import Policy, Snapshot, audits_of, measured_on, pool_centre
from model.types import Bools, Floats, Ints

CANDIDATES = 5000
"""The strategy compares this many items of the highest priority, and as many at random: a strategy
that considers what a label reveals about the rest needs a sample of the rest."""


@dataclass(frozen=True)
class Block:
    """The items of a part: its number, their tickets (n,), and their vectors (n, d), not finite for
    an item that cannot be encoded; None while the part is not encoded."""

    part: int
    tickets: Ints
    vectors: Floats | None


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
        low = self._lowest(keys, places.tickets)
        keys = np.concatenate([self._keys, keys[low]])
        merged = joined(self._places, places.take(low))
        kept = self._lowest(keys, merged.tickets)
        self._keys, self._places = keys[kept], merged.take(kept)

    def join(self, other: "Lowest") -> None:
        """As if what the other one has seen had been added to this one."""
        self.add(other._keys, other._places)

    def places(self) -> Places:
        return self._places

    def _lowest(self, keys: Floats, tickets: Ints) -> Ints:
        lowest: Ints = np.lexsort((tickets, keys))[: self._most]
        return lowest


@dataclass(frozen=True)
class Kept:
    """What a ranking keeps of the blocks that it has seen: the items of the highest priority, some
    at random, those of the audit reserve, and some without a vector."""

    best: Lowest
    at_random: Lowest
    reserve: Lowest
    unseen: Lowest

    def join(self, other: "Kept") -> None:
        """As if its blocks had been seen here."""
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine.join(theirs)


class Ranking:
    """Sees the blocks of a dataset, in any order, then chooses.

    learnt: what is labelled, all rows of it answered, with tickets as ids, and its vectors by the
    same encoder; head: None before there is one; taken: tickets of items that are not to be chosen.
    """

    def __init__(self, learnt: Snapshot, head: Head | None, policy: Policy, taken: Ints) -> None:
        self._learnt, self._head, self._policy, self._taken = learnt, head, policy, taken
        self._training = _without(learnt, in_reserve(learnt.ids, policy.audit_share, policy.seed))
        """What each block is measured with: audit labels teach nothing, and would be left out each
        time."""
        self.kept = self._nothing()
        self._is_measured = head is not None and policy.strategy != "random"

    def afresh(self) -> "Ranking":
        """The same that has seen nothing yet, to see some of the blocks elsewhere."""
        other = copy(self)
        other.kept = self._nothing()
        return other

    def see(self, block: Block) -> None:
        """The next block."""
        policy, vectors = self._policy, block.vectors
        lots = draw(block.tickets, policy.seed)
        is_free = ~np.isin(block.tickets, self._taken)
        is_audit = lots < policy.audit_share
        if vectors is None:
            vectors = np.full((len(lots), self._learnt.vectors.shape[1]), np.nan, np.float16)
        is_finite = np.isfinite(vectors).all(axis=1)
        places = Places(
            np.full(len(lots), block.part), np.arange(len(lots)), block.tickets, vectors
        )
        # Of the whole dataset, encoded or not: else the figures would speak of a part of it.
        self._add(self.kept.reserve, lots, places, is_free & is_audit)
        self._add(self.kept.unseen, lots, places, is_free & ~is_audit & ~is_finite)
        ranked = is_free & ~is_audit & is_finite
        self._add(self.kept.at_random, lots, places, ranked)
        if self._is_measured and ranked.any():
            priority = np.zeros(len(lots))
            priority[ranked] = self._priorities(places.take(np.flatnonzero(ranked)))
            self._add(self.kept.best, -priority, places, ranked)

    def chosen(self) -> Places:
        """The items to ask for, ask-first order, at most `policy.size`, audit tasks at their places
        among them. Items without a vector come last, or alone where none has one."""
        size, share = self._policy.size, self._policy.audit_share
        reserve, unseen = self.kept.reserve.places(), self.kept.unseen.places()
        best, at_random = self.kept.best.places(), self.kept.at_random.places()
        candidates = best.and_also(at_random).and_also(reserve)
        if len(candidates) > len(reserve):
            choice = self._choice(self._learnt, candidates)
            rows, _ = choice.rows()
            first = candidates.take(rows - len(self._learnt.ids))
        else:
            both = unseen.and_also(reserve)
            rows = np.arange(len(both))
            labelled = len(self._learnt.ids)
            order = interleave(rows[: len(unseen)], rows[len(unseen) :], share, labelled, size)
            first = both.take(order)
        wanted = first.and_also(unseen)
        return wanted.take(np.arange(min(size, len(wanted))))

    def _nothing(self) -> Kept:
        size, dimension = self._policy.size, self._learnt.vectors.shape[1]
        most = (CANDIDATES, max(CANDIDATES, size), size, size)
        return Kept(*(Lowest(one, dimension) for one in most))

    def _add(self, kept: Lowest, keys: Floats, places: Places, which: Bools) -> None:
        rows = np.flatnonzero(which)
        kept.add(keys[rows], places.take(rows))

    def _priorities(self, places: Places) -> Floats:
        rows = len(self._training.ids) + np.arange(len(places))
        return self._choice(self._training, places).priorities(rows)

    def _choice(self, learnt: Snapshot, places: Places) -> Choice:
        """A choice among these places, which follow what is labelled."""
        policy = self._policy
        known, new = len(learnt.ids), len(places)
        snapshot = replace(
            learnt,
            ids=np.concatenate([learnt.ids, places.tickets]),
            vectors=np.concatenate([learnt.vectors[np.arange(known)], places.vectors]),
            open=np.repeat([False, True], [known, new]),
        )
        audits, measured = audits_of(snapshot, policy), measured_on(snapshot, policy)
        return Choice(snapshot, policy, self._head, self._centre(), audits, measured)

    def _centre(self) -> Floats:
        """The mean vector (d,) of the pool."""
        if self._head is not None:
            return self._head.centre
        return pool_centre(self.kept.at_random.places().vectors, self._policy.seed)


def _without(learnt: Snapshot, which: Bools) -> Snapshot:
    """What is labelled without some of it."""
    if not which.any():
        return learnt
    rows = np.flatnonzero(~which)
    return replace(
        learnt,
        ids=learnt.ids[rows],
        vectors=learnt.vectors[rows],
        open=learnt.open[rows],
        answered=np.arange(len(rows)),
        targets=learnt.targets[rows],
    )
