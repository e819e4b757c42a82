"""The next tasks: the strategy's pick, what the guard puts in its place, and audit tasks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import signature
from typing import Any

import numpy as np
from scipy.stats import rankdata

from model.choosing.audit import by_lot, interleave, mix
from model.choosing.coldstart import one_per_region
from model.choosing.guard import random_share
from model.choosing.strategies import STRATEGIES
from model.heads.head import Head, centred
from model.snapshot import Policy, Snapshot, sampled
from model.types import Bools, Floats, Ints

COLD_LABELS = 30
"""Below this many training labels the order comes from the vectors alone: a head of a few labels is
sure and wrong."""

SCORED_ROWS = 100_000
"""At most so many open rows are scored in a round, drawn anew at each: to score millions takes
seconds, while people wait."""

CANDIDATE_LIMIT = 20_000
"""Vectors are compared among at most this many of them."""

CELLS = 1 << 24
"""So many probabilities stand in memory at once: of thousands of labels not all rows."""


@dataclass(frozen=True)
class Choice:
    """All that the choice of the next tasks depends on.

    head: None before any label; centre (d,): of the pool's vectors; audits (n,): which rows of the
    snapshot belong to the audit reserve.

    priority: how much a label of each of some rows would teach, where a head cannot say it from
    their vectors; in place of the strategy's measure. cold_labels: with fewer training labels the
    order comes from the regions.
    """

    snapshot: Snapshot
    policy: Policy
    head: Head | None
    centre: Floats
    audits: Bools
    priority: Callable[[Ints], Floats] | None = None
    cold_labels: int = COLD_LABELS

    def rows(self) -> tuple[Ints, float]:
        """The rows to ask for, ask-first order, at most `policy.size`; and the share of them that
        the guard drew from the regions (audit tasks not counted)."""
        policy, answered = self.policy, len(self.snapshot.answered)
        rng = np.random.default_rng([policy.seed, answered])
        candidates = np.flatnonzero(self.snapshot.open & ~self.audits)
        chosen, share = self._of_strategy(candidates, rng), self._guarded_share()
        if share:
            others = self._of_regions(candidates[~np.isin(candidates, chosen)])
            chosen = mix(chosen, others, share, policy.size, rng)
        reserve = self._by_lot(np.flatnonzero(self.snapshot.open & self.audits))
        return interleave(chosen, reserve, policy.audit_share, answered, policy.size), share

    @cached_property
    def _held_out(self) -> Bools:
        """Which of the answered rows (m,) are audit labels."""
        return self.audits[self.snapshot.answered]

    @cached_property
    def _training(self) -> Ints:
        return self.snapshot.answered[~self._held_out]

    @property
    def _is_cold(self) -> bool:
        knows_nothing = self.head is None and self.priority is None
        return knows_nothing or len(self._training) < self.cold_labels

    def _guarded_share(self) -> float:
        is_led = not self._is_cold and self.policy.strategy != "random"
        if self.head is None or not (self.policy.guard and is_led):
            return 0.0
        return float(np.mean([_share(*part, self.audits) for part in self._parts(self.head)]))

    def _parts(self, head: Head) -> list[tuple[Head, Snapshot]]:
        """The head of each question, and what is known of it."""
        return list(zip(head.parts(), self.snapshot.parts(), strict=True))

    def _of_strategy(self, candidates: Ints, rng: np.random.Generator) -> Ints:
        if len(candidates) == 0:
            return candidates
        if self._is_cold and self.policy.strategy != "random":
            return self._of_regions(candidates)
        if len(candidates) > SCORED_ROWS:
            candidates = np.sort(rng.choice(candidates, SCORED_ROWS, replace=False))
        strategy = STRATEGIES[self.policy.strategy]
        if "vectors" in signature(strategy.measure).parameters:
            candidates = self._sampled(candidates)
        if self.priority is not None and self.policy.strategy != "random":
            priority = self.priority(candidates)
        else:
            priority = self._priority(strategy.measure, candidates, rng)
        if len(candidates) > CANDIDATE_LIMIT:
            best = np.argpartition(-priority, CANDIDATE_LIMIT)[:CANDIDATE_LIMIT]
            candidates, priority = candidates[best], priority[best]
        return candidates[
            strategy.choose(priority, self._vectors(candidates), self.policy.size, rng)
        ]

    def _priority(
        self, measure: Callable[..., Floats], candidates: Ints, rng: np.random.Generator
    ) -> Floats:
        """How much a label of each candidate would teach; of several questions that they are asked
        at once, the sum of the candidate's ranks, as a share of the highest.

        Rank combination (Reichart et al. 2008, "Multi-Task Active Learning for Linguistic
        Annotations", https://aclanthology.org/P08-1098): priorities of different questions cannot
        be compared, ranks can.
        """
        wants = set(signature(measure).parameters)
        if self.head is None or not self.head.groups or "probs" not in wants:
            return self._measured(measure, wants, candidates, rng)
        alone = [replace(self, head=one, snapshot=part) for one, part in self._parts(self.head)]
        ranks = [rankdata(choice._priority(measure, candidates, rng)) for choice in alone]
        result: Floats = np.mean(ranks, axis=0) / len(candidates)
        return result

    def _measured(
        self,
        measure: Callable[..., Floats],
        wants: set[str],
        rows: Ints,
        rng: np.random.Generator,
    ) -> Floats:
        """The measure's priorities of the rows: all at once where it compares them with each other
        or with what is labelled, else some after the others."""
        size = len(rows)
        if self.head is not None and wants <= {"probs", "targets"}:
            size = max(1, CELLS // len(self.head.labels))
        found = []
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
            "targets": lambda: snapshot.targets[~self._held_out],
            "rng": lambda: rng,
        }

    def _of_regions(self, candidates: Ints) -> Ints:
        """At most `policy.size` of the candidates, one of each region after the other."""
        if len(candidates) == 0:
            return candidates
        rows = self._sampled(np.sort(np.concatenate([candidates, self._training])))
        # The same regions at each round, so that they are visited one after the other.
        fixed = np.random.default_rng(self.policy.seed)
        labelled = np.isin(rows, self._training)
        return rows[one_per_region(self._vectors(rows), labelled, self.policy.size, fixed)]

    def _by_lot(self, rows: Ints) -> Ints:
        """The first `policy.size` rows, by a lot that each task drew once and for all."""
        return rows[by_lot(self.snapshot.ids[rows], self.policy.size, self.policy.seed)]

    def _sampled(self, rows: Ints) -> Ints:
        return sampled(self.snapshot, rows, CANDIDATE_LIMIT, self.policy.seed)

    def _vectors(self, rows: Ints) -> Floats:
        """Centred vectors of unit length."""
        return centred(self.snapshot.vectors[rows], self.centre)


def _share(head: Head, snapshot: Snapshot, audits: Bools) -> float:
    """`random_share` of one question."""
    labels = snapshot.labelled(audits[snapshot.answered])
    return random_share(head.probs(labels.vectors), labels.targets > 0)
