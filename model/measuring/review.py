"""A review of the labels: which of them are doubtful, and which labels are confused.

The model is asked about each labelled example by heads that did not learn it (on the vectors of the
pretrained encoder: a tuned one has seen the labels, and half believes them).
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from model.heads.deciding import decisions
from model.heads.head import Head, fit_head
from model.heads.lists import comparable
from model.heads.ordered import near
from model.types import EXCLUSIVE, OF_LISTS, Bools, Floats, Ints, Kind

REPEATS = 6
"""As often are the examples divided into halves, each judged by a head of the other."""
FOLDS = 5
"""Labels are judged in so many parts, each by a head of the others, where once is enough."""
LEAST = 20
"""With fewer labelled examples the model knows too little itself."""
LEAST_DOUBT = 0.5
"""A label that the model finds more likely than not needs no second look."""


@dataclass(frozen=True)
class Confusion:
    """`count` examples have the label `given` where the model predicts `said`; "" for no label."""

    given: str
    said: str
    count: int


def half_trained(
    vectors: Floats,
    targets: Floats,
    kind: Kind,
    labels: tuple[str, ...],
    seed: int,
    others: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Probabilities (REPEATS, n, c) of each example, each time by a head that was fitted to a
    random half without it; and those (m, c) of `others` (m, d), by all of these heads together.

    vectors (n, d), targets (n, c) of 0 and 1; n at least LEAST. How far the repeats differ shows
    what changes with the examples that a head has learnt from. Their mean found more wrong labels
    than one cross-validation in five parts: see tests/benchmarks/RESULTS.md.
    """
    rng, c = np.random.default_rng(seed), targets.shape[1]
    probs = np.zeros((REPEATS, *targets.shape), dtype=np.float32)
    beside = np.zeros((0 if others is None else len(others), c), dtype=np.float32)
    for repeat in range(REPEATS):
        half = rng.permutation(len(vectors)) % 2
        for unseen in (half == 0, half == 1):
            head = _fitted(vectors[~unseen], targets[~unseen], kind, labels)
            probs[repeat, unseen] = head.probs(vectors[unseen])
            if others is not None:
                beside += head.probs(others) / (2 * REPEATS)
    return probs, beside


def _fitted(vectors: Floats, targets: Floats, kind: Kind, labels: tuple[str, ...]) -> Head:
    centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return fit_head(vectors, targets, kind, labels, centre)


@dataclass(frozen=True)
class Verdicts:
    """What repeated looks say of each example: doubt (n,) in [0, 1], of the mean probabilities;
    wrong (n,): the label is probably a mistake, because the model is of another opinion whatever it
    has learnt from; hard (n,): its opinion changes with that."""

    doubt: Floats
    wrong: Bools
    hard: Bools


def verdicts(probs: Floats, targets: Floats, kind: Kind) -> Verdicts:
    """Which labels are probably mistakes, and which examples are hard. probs (r, n, c), targets
    (n, c) of 0 and 1.

    The opinions of models that learnt from different examples stand for those of one model in the
    course of its training, with the same two readings (Swayamdipta et al. 2020, "Dataset
    Cartography", arXiv:2009.10795): always against the label is a probable mistake, now for and now
    against it is ambiguous.
    """
    if kind in OF_LISTS:
        probs = np.where(comparable(targets > 0, kind), probs, 0.0)  # the rest nobody has said
    times = np.sum([_differs(one, targets, kind) for one in probs], axis=0)
    doubt: Floats = doubts(probs.mean(axis=0, dtype=np.float32), targets, kind)
    wrong: Bools = (times == len(probs)) & (doubt >= LEAST_DOUBT)
    hard: Bools = (times > 0) & (times < len(probs))
    return Verdicts(doubt, wrong, hard)


def _differs(probs: Floats, targets: Floats, kind: Kind) -> Bools:
    """Where (n,) the model decides otherwise; of ordered labels, by more than one step."""
    said = decisions(probs, kind)
    if kind in EXCLUSIVE:
        right = near(targets) if kind == "ordered" else targets
        hits: Bools = said & (right > 0)
        return np.asarray(~hits.any(axis=1))
    return np.asarray((said != (targets > 0)).any(axis=1))


def doubts(probs: Floats, targets: Floats, kind: Kind) -> Floats:
    """How little the model believes each given label set, in [0, 1]; shape (n,).

    One label: 1 minus its probability (`ordered`: and that of those beside it). Several: the
    largest distance of a label's probability from what was given. Where a tenth of the labels of
    TREC-6, AG News and Subj was replaced by wrong ones (150 and 300 labels, two seeds), 47 to 73 %
    of the most doubted tenth were such.
    """
    if kind in EXCLUSIVE:
        believed = near(targets) if kind == "ordered" else targets
        result: Floats = np.maximum(1.0 - (probs * believed).sum(axis=1), 0.0)
    else:
        result = np.abs(probs - targets).max(axis=1)
    return result


def span_doubts(probs: Floats, targets: Floats, bounds: Ints) -> Floats:
    """How little the model believes what people marked in each text, in [0, 1]; shape (n,): 1 minus
    the probability of the tag that it believes least.

    The worst token finds wrongly marked texts best (Wang & Mueller 2022, "Detecting Label Errors in
    Token Classification Data", arXiv:2210.03920). probs, targets (t, c): of the tokens' tags;
    bounds (n + 1,) of the texts.
    """
    believed = (probs * targets).sum(axis=1)
    result: Floats = 1.0 - np.minimum.reduceat(believed, bounds[:-1])
    return result


def confusions(
    probs: Floats, targets: Floats, kind: Kind, labels: tuple[str, ...]
) -> list[Confusion]:
    """Which labels are confused, the most frequent pairs first: a given label that the model does
    not predict and one that it predicts instead."""
    if kind in OF_LISTS:
        return []  # places in a list mean nothing by themselves
    said, given = decisions(probs, kind), targets > 0
    pairs: Counter[tuple[str, str]] = Counter()
    for missed, claimed in zip(given & ~said, said & ~given, strict=True):
        if missed.any() or claimed.any():
            pairs.update((a, b) for a in _names(missed, labels) for b in _names(claimed, labels))
    return [Confusion(*pair, count) for pair, count in pairs.most_common()]


def _names(chosen: Bools, labels: tuple[str, ...]) -> list[str]:
    return [labels[place] for place in np.flatnonzero(chosen)] or [""]
