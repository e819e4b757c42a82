"""Pools of which all answers are known: probabilities that are too sure of themselves, truths, and
audit labels in the order of their lot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax

from model.finishing.claims import claims_of
from model.finishing.goal import Goal
from model.finishing.promise import NEVER, Audited, Promise, slices_of
from model.heads.head import Head
from model.types import Bools, Condition, Floats, Kind, LabelGroup


def head_of(
    kind: Kind,
    labels: tuple[str, ...],
    groups: tuple[LabelGroup, ...] = (),
    thresholds: Sequence[float] | None = None,
) -> Head:
    """A head that only decides: its probabilities are given."""
    c = len(labels)
    fitted = None if thresholds is None else np.array(thresholds)
    return Head(kind, labels, np.zeros((1, c)), np.zeros(c), np.zeros(1), fitted, groups)


TWO_QUESTIONS = head_of(
    "multiple",
    ("a", "b", "x", "y"),
    (LabelGroup("single", 0, 2), LabelGroup("single", 2, 4, (Condition(("a",)),))),
    [0.5] * 4,
)
"""a or b, and where it is a, x or y."""


@dataclass(frozen=True)
class Pool:
    """probs, truth (n, c), lots (n,), labelled (n,): which audit tasks have a label; all others are
    open."""

    head: Head
    probs: Floats
    truth: Bools
    lots: Floats
    labelled: Bools

    def known(self) -> Audited:
        """What a round knows of it."""
        mine = np.flatnonzero(self.labelled)
        gaps = np.flatnonzero(~self.labelled)
        return Audited(
            open_probs=self.probs[gaps],
            weight=1.0,
            audit_probs=self.probs[mine],
            audit_truth=self.truth[mine],
            audit_lots=self.lots[mine],
            gap_probs=self.probs[gaps],
            gap_lots=self.lots[gaps],
            horizon=NEVER,
            taken_probs=self.probs[:0],
            taken_weight=1.0,
        )

    def promises(self, goal: Goal) -> list[Promise]:
        return [part.promise(goal) for part in slices_of(self.head, self.known(), goal)]

    def precisions(self, goal: Goal) -> list[float | None]:
        """The true precision of what each promise gives away; None where it gives nothing away."""
        left = ~self.labelled
        claims = claims_of(self.head, self.probs[left], goal, self.truth[left])
        found: list[float | None] = []
        for one, promise in zip(claims, self.promises(goal), strict=True):
            assert one.right is not None and one.counted is not None
            given = (one.scores >= promise.threshold) & one.counted
            found.append(float(one.right[given].mean()) if given.any() else None)
        return found


def first_by_lot(lots: Floats, most: int) -> Bools:
    """Which tasks (n,) are labelled where people label the first `most` by their lot."""
    labelled = np.zeros(len(lots), dtype=np.bool_)
    labelled[np.argsort(lots)[:most]] = True
    return labelled


def single_pool(
    seed: int, size: int = 1_500, audits: int = 150, too_sure: float = 1.5, spread: float = 4.0
) -> Pool:
    """Three labels, one a task; logits are `too_sure` times what they should be."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(size, 3)) * spread
    truth = drawn(softmax(logits, axis=1), rng)
    lots = rng.random(size)
    head = head_of("single", ("a", "b", "c"))
    probs = softmax(too_sure * logits, axis=1)
    return Pool(head, probs, truth, lots, first_by_lot(lots, audits))


def multiple_pool(seed: int, size: int = 1_500, audits: int = 150, too_sure: float = 2.0) -> Pool:
    """Four labels of falling frequency, one or more a task."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(size, 4)) * 3.0 - np.array([0.0, 1.0, 3.0, 5.0])
    truth = rng.random(logits.shape) < expit(logits)
    truth[~truth.any(axis=1), 0] = True
    lots = rng.random(size)
    head = head_of("multiple", ("a", "b", "c", "d"), thresholds=[0.5, 0.4, 0.3, 0.3])
    return Pool(head, expit(too_sure * logits), truth, lots, first_by_lot(lots, audits))


def drawn(probs: Floats, rng: np.random.Generator) -> Bools:
    """One label a row (n, c), drawn by these probabilities."""
    places = (probs.cumsum(axis=1) < rng.random((len(probs), 1))).sum(axis=1)
    result: Bools = np.eye(probs.shape[1], dtype=np.bool_)[np.minimum(places, probs.shape[1] - 1)]
    return result


def asked_pool(seed: int, size: int = 1_500, audits: int = 200) -> Pool:
    """Two questions: a or b, and where people say a, one of x and y. Of the second, people say
    nothing where they say b."""
    rng = np.random.default_rng(seed)
    first, second = (rng.normal(size=(size, 2)) * 2.5 for _ in range(2))
    truth = np.hstack([drawn(softmax(one, axis=1), rng) for one in (first, second)])
    truth[:, 2:] &= truth[:, :1]
    probs = np.hstack([softmax(2.0 * one, axis=1) for one in (first, second)])
    lots = rng.random(size)
    return Pool(TWO_QUESTIONS, probs, truth, lots, first_by_lot(lots, audits))
