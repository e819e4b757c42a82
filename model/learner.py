"""One fast round without any I/O: labels and vectors in, a head and the next tasks out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from model.audit import draw, in_reserve, interleave, mix
from model.calibration import calibrated, cross_fitted_error, fit_calibration
from model.coldstart import one_per_region
from model.guard import random_share
from model.head import Head, centred, fit_head
from model.metrics import measure
from model.strategies import STRATEGIES
from model.thresholds import fit_thresholds
from model.types import Bools, Floats, Ints, Kind

DEFAULT_STRATEGY: dict[Kind, str] = {
    "single": "balanced_cluster_margin",
    "multiple": "balanced_cluster_margin",
}
"""What `auto` means."""

COLD_LABELS = 30
"""Below this many training labels the order comes from the vectors alone: a head of a few labels is
sure and wrong."""

CENTRE_SAMPLE = 10_000
CANDIDATE_LIMIT = 20_000
"""Vectors are compared among at most this many open rows; probabilities among all of them."""


@dataclass(frozen=True)
class Snapshot:
    """What is known of a pool at one moment.

    ids (n,): task ids; vectors (n, d): from one encoder; open (n,): may be asked for;
    answered (m,): rows that have a label; targets (m, c): their labels as 0 and 1.
    """

    ids: Ints
    vectors: Floats
    open: Bools
    answered: Ints
    targets: Floats
    labels: tuple[str, ...]
    kind: Kind

    def labelled(self, which: Bools) -> "Labelled":
        """The answered rows of which `which` (m,) is true."""
        return Labelled(self.vectors[self.answered[which]], self.targets[which])


@dataclass(frozen=True)
class Labelled:
    """Vectors (m, d) and their targets (m, c) of 0 and 1."""

    vectors: Floats
    targets: Floats


@dataclass(frozen=True)
class Policy:
    """How to choose: see the settings of the same names. `seed` makes a round repeatable."""

    strategy: str
    size: int
    audit_share: float
    seed: int
    guard: bool = True


@dataclass(frozen=True)
class Outcome:
    """A fast round's product: the head (None before any label), the snapshot rows to ask for,
    ask-first order, and the rows that it learnt from and was measured on.

    random_share: the part of the rows that the guard drew from regions (audit tasks not counted).
    """

    head: Head | None
    rows: Ints
    training: Ints
    validation: Ints
    metrics: dict[str, Any]
    random_share: float


def fast_round(
    snapshot: Snapshot, policy: Policy, start: Head | None = None, fixed: Head | None = None
) -> Outcome:
    """Fit the head on the training labels and choose the next `policy.size` tasks.

    `start`: an earlier head on the same encoder; the fit then takes fewer steps.
    `fixed`: a head to rank with as it is; nothing is fitted. Raises ValueError when its labels are
    not the snapshot's, in the same order.
    """
    if fixed is not None and fixed.labels != snapshot.labels:
        raise ValueError(f"the fixed head knows {fixed.labels}, the snapshot {snapshot.labels}")
    # These products are small: a second thread costs more than it helps (measured at 1,600 vectors:
    # 0.07 s with one thread, 0.2 to 0.4 s with two), all the more while the trainer uses the cores.
    with threadpool_limits(limits=1):
        return _fast_round(snapshot, policy, start, fixed)


def _fast_round(
    snapshot: Snapshot, policy: Policy, start: Head | None, fixed: Head | None
) -> Outcome:
    audits = in_reserve(snapshot.ids, policy.audit_share, policy.seed)
    held_out = audits[snapshot.answered]
    training, validation = snapshot.answered[~held_out], snapshot.answered[held_out]
    centre = pool_centre(snapshot.vectors, policy.seed)
    fitted = fixed
    if fixed is None and len(training):
        fitted = _fit(snapshot, snapshot.labelled(~held_out), centre, start)
    head, metrics, share = fixed, {}, 0.0
    audit_labels = snapshot.labelled(held_out)
    if fitted is not None:
        head = fixed or _finished(fitted, snapshot, policy, held_out)
        metrics = _measure(head, fitted, audit_labels, policy.seed)
    is_led = len(training) >= COLD_LABELS and policy.strategy != "random"
    if policy.guard and is_led and head is not None:
        share = random_share(head.probs(audit_labels.vectors), audit_labels.targets > 0)
    answered = len(snapshot.answered)
    rng = np.random.default_rng([policy.seed, answered])
    candidates = np.flatnonzero(snapshot.open & ~audits)
    chosen = _choose(snapshot, policy, head, centre, held_out, rng, candidates)
    if share:
        others = np.setdiff1d(candidates, chosen)
        others = _of_regions(snapshot, others, training, centre, policy)
        chosen = mix(chosen, others, share, policy.size, rng)
    reserve = _by_lot(snapshot, np.flatnonzero(snapshot.open & audits), policy)
    rows = interleave(chosen, reserve, policy.audit_share, answered, policy.size)
    return Outcome(head, rows, training, validation, metrics, share)


def _by_lot(snapshot: Snapshot, rows: Ints, policy: Policy) -> Ints:
    """The first `policy.size` of the rows, by a lot that each task drew once and for all."""
    return rows[np.argsort(draw(snapshot.ids[rows], policy.seed))][: policy.size]


def _fit(snapshot: Snapshot, training: Labelled, centre: Floats, start: Head | None) -> Head:
    """A head on the training labels, as it comes."""
    return fit_head(
        training.vectors,
        training.targets,
        snapshot.kind,
        snapshot.labels,
        centre,
        start=start if start is not None and start.labels == snapshot.labels else None,
    )


def _finished(fitted: Head, snapshot: Snapshot, policy: Policy, held_out: Bools) -> Head:
    """The head calibrated on the labels held out (m,), with its thresholds."""
    validation = snapshot.labelled(held_out)
    logits = fitted.logits(validation.vectors)
    head = calibrated(fitted, fit_calibration(logits, validation.targets, snapshot.kind))
    if snapshot.kind == "single":
        return head
    # All of the pool, and not what is left of it: a few rows tell nothing of frequencies.
    sample = _sampled(snapshot, np.arange(len(snapshot.ids)), policy.seed)
    positives = snapshot.labelled(~held_out).targets.sum(axis=0).astype(np.int64)
    return replace(head, thresholds=fit_thresholds(head.probs(snapshot.vectors[sample]), positives))


def _measure(head: Head, fitted: Head, validation: Labelled, seed: int) -> dict[str, Any]:
    """`metrics.measure` on the validation labels, and `calibration_error`; {} without any.

    `fitted`: the head before its calibration on these very labels, so that the error is that of a
    calibration on other ones; of a fixed head itself, which is then calibrated once more.
    """
    truth = validation.targets > 0
    found = measure(head.answers(head.probs(validation.vectors)), truth, head.labels, seed)
    if found:
        logits = fitted.logits(validation.vectors)
        found["calibration_error"] = cross_fitted_error(logits, truth, head.kind, seed)
    return found


def deep_round_due(labels: int, tuned_on: int, first: int, growth: float) -> bool:
    """Whether the encoder should be tuned anew: at `first` labels, and whenever they have grown by
    the share `growth` since the last time, when there were `tuned_on`."""
    return labels >= max(first, int(tuned_on * (1.0 + growth)), tuned_on + 1)


def resolve_strategy(name: str, kind: Kind) -> str:
    """The strategy behind a setting: `auto` means the one that did best for the kind."""
    return DEFAULT_STRATEGY[kind] if name == "auto" else name


def pool_centre(vectors: Floats, seed: int) -> Floats:
    """The mean vector (d,) of the pool, from a sample of it; zeros for an empty pool."""
    if len(vectors) == 0:
        return np.zeros(vectors.shape[1], dtype=np.float32)
    if len(vectors) > CENTRE_SAMPLE:
        rows = np.random.default_rng(seed).choice(len(vectors), CENTRE_SAMPLE, replace=False)
        vectors = vectors[np.sort(rows)]
    mean: Floats = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _choose(
    snapshot: Snapshot,
    policy: Policy,
    head: Head | None,
    centre: Floats,
    held_out: Bools,
    rng: np.random.Generator,
    candidates: Ints,
) -> Ints:
    """The strategy's pick among the candidates (rows of the snapshot), ask-first order."""
    if len(candidates) == 0:
        return candidates
    training = snapshot.answered[~held_out]
    strategy = STRATEGIES[policy.strategy]
    wants = set(signature(strategy.measure).parameters)

    def vectors_of(rows: Ints) -> Floats:
        return centred(snapshot.vectors[rows], centre)

    if (head is None or len(training) < COLD_LABELS) and policy.strategy != "random":
        return _of_regions(snapshot, candidates, training, centre, policy)
    if "vectors" in wants:
        candidates = _sampled(snapshot, candidates, policy.seed)
    arrays: dict[str, Callable[[], Any]] = {
        "probs": lambda: head.probs(snapshot.vectors[candidates]) if head else None,
        "vectors": lambda: vectors_of(candidates),
        "labelled": lambda: vectors_of(training),
        "targets": lambda: snapshot.targets[~held_out],
        "rng": lambda: rng,
    }
    priority = strategy.measure(**{name: arrays[name]() for name in wants})
    if len(candidates) > CANDIDATE_LIMIT:
        best = np.argpartition(-priority, CANDIDATE_LIMIT)[:CANDIDATE_LIMIT]
        candidates, priority = candidates[best], priority[best]
    return candidates[strategy.choose(priority, vectors_of(candidates), policy.size, rng)]


def _of_regions(
    snapshot: Snapshot, candidates: Ints, training: Ints, centre: Floats, policy: Policy
) -> Ints:
    """At most `policy.size` of the candidates, one of each region after the other."""
    if len(candidates) == 0:
        return candidates
    rows = _sampled(snapshot, np.sort(np.concatenate([candidates, training])), policy.seed)
    # The same regions at each round, so that they are visited one after the other.
    fixed = np.random.default_rng(policy.seed)
    vectors = centred(snapshot.vectors[rows], centre)
    return rows[one_per_region(vectors, np.isin(rows, training), policy.size, fixed)]


def _sampled(snapshot: Snapshot, rows: Ints, seed: int) -> Ints:
    """At most CANDIDATE_LIMIT of the rows, by a lot that each task drew once and for all."""
    if len(rows) <= CANDIDATE_LIMIT:
        return rows
    lots = draw(snapshot.ids[rows], seed + 1)
    return np.sort(rows[np.argpartition(lots, CANDIDATE_LIMIT)[:CANDIDATE_LIMIT]])
