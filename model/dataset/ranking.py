"""Chooses the items of a dataset that are worth asking for, part by part: of each part the best few
are kept, and the strategy then compares these few. Nothing of the size of the pool is in memory.
"""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from model.choosing.audit import GUARD_LOT, draw, in_reserve, interleave, mix
from model.choosing.choice import Choice
from model.dataset.kept import Kept, Lowest, Places
from model.dataset.rare import rare_of
from model.heads.head import Head
from model.snapshot import Policy, Snapshot, audits_of, measured_on, pool_centre
from model.storage.damage import broken_rows
from model.types import Bools, Floats, Ints

CANDIDATES = 5000
"""The strategy compares this many items of the highest priority, and as many at random: a strategy
that considers what a label reveals about the rest needs a sample of the rest."""

NEAREST, NEAREST_SHARE = 100, 0.1
"""Of each rare label so many of the nearest items are kept. Where labels are rare, this share of
the items is chosen from these, label by label, instead of by the strategy."""


@dataclass(frozen=True)
class Block:
    """The items of a part: its number, their tickets (n,), and their vectors (n, d), not finite for
    an item that cannot be encoded; None while the part is not encoded."""

    part: int
    tickets: Ints
    vectors: Floats | None


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
        self._is_measured = head is not None and policy.strategy != "random"
        self._rare = None
        if head is not None and self._is_measured:
            self._rare = rare_of(self._training, head, policy.seed)
        self.kept = self._nothing()

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
        is_finite = np.ones(len(lots), bool)
        is_finite[broken_rows(vectors)] = False
        places = Places(
            np.full(len(lots), block.part), np.arange(len(lots)), block.tickets, vectors
        )
        # Of the whole dataset, encoded or not: else the figures would speak of a part of it.
        self._add(self.kept.reserve, lots, places, is_free & is_audit)
        self._add(self.kept.unseen, lots, places, is_free & ~is_audit & ~is_finite)
        ranked = is_free & ~is_audit & is_finite
        self._add(self.kept.at_random, lots, places, ranked)
        if self._is_measured and ranked.any():
            self._measure(places.take(np.flatnonzero(ranked)))

    def priorities(self, block: Block) -> Floats:
        """How much a label of each item of a block would teach by itself, (n,), to be compared with
        each other: NaN for an item without a vector, where the guard leaves it to chance, and for
        all before there is a head."""
        found: Floats = np.full(len(block.tickets), np.nan)
        if block.vectors is None or not self._is_measured:
            return found
        is_finite = np.ones(len(found), bool)
        is_finite[broken_rows(block.vectors)] = False
        rows, part = np.flatnonzero(is_finite), np.full(len(found), block.part)
        if len(rows) == 0:
            return found
        places = Places(part, np.arange(len(found)), block.tickets, block.vectors).take(rows)
        choice = self._choice(self._learnt, places)
        found[rows] = choice.priorities_alone(len(self._learnt.ids) + np.arange(len(rows)))
        found[draw(block.tickets, self._policy.seed + GUARD_LOT) < choice.guarded_share()] = np.nan
        return found

    def chosen(self) -> Places:
        """The items to ask for, ask-first order, at most `policy.size`, audit tasks at their places
        among them. Items without a vector come last, or alone where none has one."""
        size, share = self._policy.size, self._policy.audit_share
        reserve, unseen = self.kept.reserve.places(), self.kept.unseen.places()
        best, at_random = self.kept.best.places(), self.kept.at_random.places()
        nearest = self.kept.nearest_in_turn()
        candidates = nearest.and_also(best).and_also(at_random).and_also(reserve)
        if len(candidates) > len(reserve):
            choice = self._choice(self._learnt, candidates)
            chosen = candidates.take(choice.rows().rows - len(self._learnt.ids))
            first = self._with_nearest(chosen, nearest)
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
        best, at_random, reserve, unseen = (Lowest(one, dimension) for one in most)
        rare = 0 if self._rare is None else len(self._rare)
        nearest = tuple(Lowest(NEAREST, dimension) for _ in range(rare))
        return Kept(best, at_random, reserve, unseen, nearest)

    def _measure(self, places: Places) -> None:
        self.kept.best.add(-self._priorities(places), places)
        if self._rare is not None:
            distances = self._rare.distances(places.vectors)
            for lowest, keys in zip(self.kept.nearest, distances.T, strict=True):
                lowest.add(keys, places)

    def _with_nearest(self, chosen: Places, nearest: Places) -> Places:
        """What was chosen, with NEAREST_SHARE of it from the nearest; audit tasks stay where they
        are."""
        policy = self._policy
        both = nearest.and_also(chosen)
        rows = both.rows_of(chosen.tickets)
        others = np.flatnonzero(~in_reserve(chosen.tickets, policy.audit_share, policy.seed))
        rng = np.random.default_rng([policy.seed, len(self._learnt.ids)])
        which = np.arange(len(nearest))
        rows[others] = mix(rows[others], which, NEAREST_SHARE, len(others), rng)
        return both.take(rows)

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
