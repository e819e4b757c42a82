"""The next tasks: the strategy's pick, what the guard puts in its place, and audit tasks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import signature
from typing import Any

import numpy as np

from model.choosing.audit import by_lot, interleave, mix
from model.choosing.copies import held_back
from model.choosing.guard import FIRST_LABELS, FIRST_SHARE, random_share
from model.choosing.strategies import STRATEGIES, Strategy
from model.choosing.synthesis import boundary_points
from model.choosing.variance import FLAT, taken_alone
from model.heads.asked import asked_share
from model.heads.head import Head, centred
from model.snapshot import Policy, Snapshot, sampled
from model.types import Bools, Floats, Ints, LabelGroup

COLD_LABELS = 30
"""Below this many training labels all strategies but `random` ask as COLD_STRATEGY does: a head of
a few labels is sure and wrong."""

COLD_STRATEGY = "variance"

SCORED_ROWS = 100_000
"""At most this many open rows are scored in a round, drawn again for each: scoring millions takes
seconds, while people wait."""

CANDIDATE_LIMIT = 20_000
"""Vectors are compared among at most this many of them."""

POOL_SAMPLE = 10_000
"""Strategies that consider what a label reveals about the rest of the pool use this many rows of
it, drawn again for each round, so that all of a large pool has its turn."""

CELLS = 1 << 24
"""At most this many probabilities are in memory at once: with thousands of labels, not all rows."""

ROW_BY_ROW = {"probs", "targets", "nearness"}
"""A measure that takes no other arrays does not compare rows with each other."""


@dataclass(frozen=True)
class Chosen:
    """rows (k,): to ask for, ask-first order; share: of them, audit tasks not counted, that the
    guard put in; drawn (k,): which of them were drawn at random, without audit tasks; copies (k,):
    which of them are near copies of others, and come last."""

    rows: Ints
    share: float
    drawn: Bools
    copies: Bools


@dataclass(frozen=True)
class Choice:
    """All that the choice of the next tasks depends on.

    head: None before any label; centre (d,): of the pool's vectors; audits (n,): which rows of the
    snapshot are audit tasks; measured (n,): those of them that stand for the whole pool.

    priority: how much a label of each of some rows would teach, if a head cannot compute it from
    their vectors; replaces the strategy's measure. cold_labels: with fewer training labels
    COLD_STRATEGY chooses.
    """

    snapshot: Snapshot
    policy: Policy
    head: Head | None
    centre: Floats
    audits: Bools
    measured: Bools
    priority: Callable[[Ints], Floats] | None = None
    cold_labels: int = COLD_LABELS

    def rows(self) -> Chosen:
        """The rows to ask for, at most `policy.size`."""
        policy, answered = self.policy, len(self.snapshot.answered)
        rng = np.random.default_rng([policy.seed, answered])
        snapshot = self.snapshot
        held = held_back(snapshot.copies, snapshot.open, snapshot.answered, self.audits)
        candidates = np.flatnonzero(snapshot.open & ~self.audits & ~held)
        best, share = self._of_strategy(candidates, rng), self.guarded_share()
        chosen = best
        if share:
            chosen = mix(best, self._by_lot(candidates), share, policy.size, rng)
        is_drawn = policy.strategy == "random"
        drawn = chosen if is_drawn else _put_in(best, chosen)
        reserve = self._by_lot(np.flatnonzero(snapshot.open & self.audits))
        rows = interleave(chosen, reserve, policy.audit_share, answered, policy.size)
        if len(rows) < policy.size and held.any():
            rows = np.concatenate([rows, self._by_lot(np.flatnonzero(held))])[: policy.size]
        return Chosen(rows, share, np.isin(rows, drawn), held[rows])

    def priorities(self, rows: Ints) -> Floats:
        """How much a label of each of these rows would teach, (n,), as far as each row shows by
        itself: `margin` in place of a strategy that compares rows with each other."""
        strategy = self._strategy
        if not set(signature(strategy.measure).parameters) <= ROW_BY_ROW:
            strategy = STRATEGIES["margin"]
        return self._priority(strategy, rows, np.random.default_rng(self.policy.seed))

    def priorities_alone(self, rows: Ints) -> Floats:
        """How much a label of each of these rows would teach, (n,), where they are not to be
        compared with each other afterwards, as on a stream. As `priorities`, but of `variance`,
        whose measure is only half of it, what each would take from the variance of the pool.

        These can be compared as long as nothing more is labelled: they fall with each label.
        """
        strategy, rng = self._strategy, np.random.default_rng(self.policy.seed)
        if strategy is not STRATEGIES["variance"] or self.priority is not None:
            return self.priorities(rows)
        everything = np.arange(len(self.snapshot.ids))
        pool = sampled(self.snapshot, everything, POOL_SAMPLE, self.policy.seed)
        mine, all_of_it, learnt = (
            (self._informing(some), self._priority(strategy, some, rng))
            for some in (rows, pool, self._training)
        )
        return taken_alone(*mine, *all_of_it, labelled=learnt[0], labelled_priority=learnt[1])

    @cached_property
    def _held_out(self) -> Bools:
        """Which of the answered rows (m,) are audit labels."""
        return self.audits[self.snapshot.answered]

    @cached_property
    def _learnt_targets(self) -> Floats:
        """Of the labels that are no audit labels. Each chunk of rows is measured with them: with
        thousands of labels they are not to be copied without need."""
        targets = self.snapshot.targets
        return targets[~self._held_out] if self._held_out.any() else targets

    @cached_property
    def _training(self) -> Ints:
        return self.snapshot.answered[~self._held_out]

    @property
    def _is_cold(self) -> bool:
        knows_nothing = self.head is None and self.priority is None
        return knows_nothing or len(self._training) < self.cold_labels

    @property
    def _strategy(self) -> Strategy:
        """What chooses: COLD_STRATEGY, too, in place of one that goes along a boundary where there
        is none yet."""
        if self.policy.strategy != "random" and self._is_cold:
            return STRATEGIES[COLD_STRATEGY]
        strategy = STRATEGIES[self.policy.strategy]
        if "nearness" in signature(strategy.measure).parameters and len(self._boundary) == 0:
            return STRATEGIES[COLD_STRATEGY]
        return strategy

    @cached_property
    def _boundary(self) -> Floats:
        """Points (p, d) on the boundaries of all questions' labels, in random order, among vectors
        that are centred as the head centres them. The same for whatever part of the open rows the
        snapshot has."""
        if self.head is None:
            return np.zeros((0, self.snapshot.vectors.shape[1]), np.float32)
        rng = np.random.default_rng([self.policy.seed, len(self._training)])
        found = [
            replace(self, snapshot=part)._boundary_of(head, rng)
            for head, part in self._parts(self.head)
        ]
        return rng.permutation(np.concatenate(found))

    def _boundary_of(self, head: Head, rng: np.random.Generator) -> Floats:
        """The same of one question."""
        labelled = centred(self.snapshot.vectors[self._training], head.centre)
        here = replace(head, centre=np.zeros_like(head.centre))
        return boundary_points(
            lambda points: here.answers(here.probs(points)), labelled, self._learnt_targets, rng
        )

    def guarded_share(self) -> float:
        """The share of the tasks that is to be drawn at random instead of by the strategy."""
        if self.policy.strategy == "random" or not self.policy.guard:
            return 0.0
        if self.priority is not None or self.cold_labels < COLD_LABELS:
            return 0.0  # nothing measured for spans calls for it
        if self.head is None or len(self._training) < FIRST_LABELS:
            return FIRST_SHARE
        return float(np.mean([_share(*part, self.measured) for part in self._parts(self.head)]))

    def _parts(self, head: Head) -> list[tuple[Head, Snapshot]]:
        """The head of each question, and what is known of it."""
        return list(zip(head.parts(), self.snapshot.parts(), strict=True))

    def _of_strategy(self, candidates: Ints, rng: np.random.Generator) -> Ints:
        if len(candidates) == 0:
            return candidates
        strategy = self._strategy
        candidates = self._looked_at(strategy, candidates, rng)
        priority = self._priority(strategy, candidates, rng)
        if len(candidates) > CANDIDATE_LIMIT:
            best = np.argpartition(-priority, CANDIDATE_LIMIT)[:CANDIDATE_LIMIT]
            candidates, priority = candidates[best], priority[best]
        return self._chosen(strategy, candidates, priority, rng)

    def _looked_at(self, strategy: Strategy, candidates: Ints, rng: np.random.Generator) -> Ints:
        """As many of the candidates as the strategy can compare in the time available."""
        if "labelled_priority" in signature(strategy.choose).parameters:
            most = POOL_SAMPLE
        elif "vectors" in signature(strategy.measure).parameters:
            return self._sampled(candidates)
        else:
            most = SCORED_ROWS
        if len(candidates) <= most:
            return candidates
        return np.sort(rng.choice(candidates, most, replace=False))

    def _chosen(
        self, strategy: Strategy, candidates: Ints, priority: Floats, rng: np.random.Generator
    ) -> Ints:
        """The diverse few that the strategy selects from the candidates (n,) by their priority
        (n,)."""
        wants = signature(strategy.choose).parameters
        read = self._informing if "labelled_priority" in wants else self._vectors
        known: dict[str, Callable[[], Floats]] = {
            "labelled": lambda: read(self._training),
            "labelled_priority": lambda: self._priority(strategy, self._training, rng),
            "nearness": lambda: self._nearness(candidates),
        }
        more = {name: array() for name, array in known.items() if name in wants}
        return candidates[
            strategy.choose(priority, read(candidates), self.policy.size, rng, **more)
        ]

    def _priority(self, strategy: Strategy, candidates: Ints, rng: np.random.Generator) -> Floats:
        """How much a label of each candidate would teach. For several questions asked at once: the
        mean or, if the measure does not add up, the mean of the candidate's ranks, each as a share
        of the highest. Each counts as far as it is probably asked.

        Rank combination (Reichart et al. 2008, "Multi-Task Active Learning for Linguistic
        Annotations", https://aclanthology.org/P08-1098): priorities of different questions cannot
        be compared, ranks can.
        """
        if self.head is None and strategy is STRATEGIES[COLD_STRATEGY]:
            return np.full(len(candidates), FLAT, np.float32)  # only the vectors are known
        if self.priority is not None and self.policy.strategy != "random":
            return self.priority(candidates)
        wants = set(signature(strategy.measure).parameters)
        if self.head is None or not self.head.groups or "probs" not in wants:
            return self._measured(strategy.measure, wants, candidates, rng)
        alone = [replace(self, head=one, snapshot=part) for one, part in self._parts(self.head)]
        found = [choice._priority(strategy, candidates, rng) for choice in alone]
        found = [
            priority * self._asked_share(group, candidates)
            for priority, group in zip(found, self.snapshot.groups, strict=True)
        ]
        if not strategy.adds_up:
            found = [ranks(priority) / max(len(candidates), 1) for priority in found]
        result: Floats = np.mean(found, axis=0)
        return result

    def _asked_share(self, group: LabelGroup, candidates: Ints) -> Floats | float:
        """How probably a question is asked about each candidate, (n,) in [0, 1]: what is not asked
        teaches nothing."""
        if not group.conditions or self.head is None:
            return 1.0
        probs = self.head.probs(self.snapshot.vectors[candidates])
        return asked_share(group.conditions, self.head, probs)

    def _measured(
        self,
        measure: Callable[..., Floats],
        wants: set[str],
        rows: Ints,
        rng: np.random.Generator,
    ) -> Floats:
        """The measure's priorities of the rows: all at once if it compares them with each other
        or with labelled examples, else in chunks."""
        size = len(rows)
        if self.head is not None and wants <= ROW_BY_ROW:
            size = max(1, CELLS // max(self.head.weights.shape))
        found = [np.zeros(0, np.float32)]
        for start in range(0, len(rows), size):
            arrays = self._arrays(rows[start : start + size], rng)
            found.append(measure(**{name: arrays[name]() for name in wants}))
        return np.concatenate(found)

    def _arrays(self, candidates: Ints, rng: np.random.Generator) -> dict[str, Callable[[], Any]]:
        """What a strategy may ask for, by the names in model.choosing.strategies."""
        snapshot, head = self.snapshot, self.head
        return {
            "probs": lambda: head.probs(snapshot.vectors[candidates]) if head else None,
            "vectors": lambda: self._vectors(candidates),
            "labelled": lambda: self._vectors(self._training),
            "targets": lambda: self._learnt_targets,
            "nearness": lambda: self._nearness(candidates),
            "rng": lambda: rng,
        }

    def _nearness(self, rows: Ints) -> Floats:
        """The cosines (n, p) of the rows with the points of the boundary."""
        centre = self.centre if self.head is None else self.head.centre
        return centred(self.snapshot.vectors[rows], centre) @ self._boundary.T

    def _by_lot(self, rows: Ints) -> Ints:
        """`policy.size` rows at random, by a number that is fixed for each task."""
        return rows[by_lot(self.snapshot.drawn_by[rows], self.policy.size, self.policy.seed)]

    def _sampled(self, rows: Ints) -> Ints:
        return sampled(self.snapshot, rows, CANDIDATE_LIMIT, self.policy.seed)

    def _vectors(self, rows: Ints) -> Floats:
        """Centred vectors of unit length."""
        return centred(self.snapshot.vectors[rows], self.centre)

    def _informing(self, rows: Ints) -> Floats:
        """The same, but of pairs the vectors themselves: two things that are alike teach little,
        however undecided the model is."""
        if self.snapshot.is_of_pairs:
            return np.asarray(self.snapshot.vectors[rows], np.float32)
        return self._vectors(rows)


def _put_in(best: Ints, mixed: Ints) -> Ints:
    """Those of the rows that the strategy, whose order is `best`, would not have asked for so
    early."""
    places = {row: place for place, row in enumerate(best.tolist())}
    rows = enumerate(mixed.tolist())
    later = [row for place, row in rows if places.get(row, len(mixed)) > place]
    return np.array(later, dtype=np.int64)


def _share(head: Head, snapshot: Snapshot, measured: Bools) -> float:
    """`random_share` of one question."""
    labels = snapshot.labelled(measured[snapshot.answered])
    return random_share(head.probs(labels.vectors), labels.targets > 0)


def ranks(values: Floats) -> Floats:
    """The rank of each value (n,), 1 for the lowest; equal ones share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = np.cumsum(counts) - (counts - 1) / 2
    return ranks[places]
