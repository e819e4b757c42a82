"""A review of the labels: which of them are doubtful, and which labels are confused.

The model is asked about each labelled example by heads that did not learn it (cross-validation on
the vectors of the pretrained encoder: a tuned one has seen the labels, and half believes them).
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from model.heads.deciding import decisions
from model.heads.head import fit_head
from model.heads.names import named_head
from model.heads.ordered import near
from model.types import EXCLUSIVE, Bools, Floats, Ints, Kind

FOLDS = 5

LEAST = 1e-6
"""A probability below this counts as this: one label that was thought impossible outweighs all
others no longer."""


@dataclass(frozen=True)
class Confusion:
    """`count` examples have the label `given` where the model predicts `said`; "" for no label."""

    given: str
    said: str
    count: int


def cross_validated(
    vectors: Floats,
    targets: Floats,
    kind: Kind,
    labels: tuple[str, ...],
    seed: int,
    *,
    names: Floats | None = None,
) -> Floats:
    """Probabilities (n, c) of each example by a head that was fitted to the other folds.

    vectors (n, d), targets (n, c) of 0 and 1; n at least FOLDS. names (c, d): the vectors of the
    labels' names, which all heads know; None: none does.
    """
    fold = np.random.default_rng(seed).permutation(len(vectors)) % FOLDS
    probs = np.zeros(targets.shape, dtype=np.float32)
    for number in range(FOLDS):
        seen = fold != number
        centre = vectors[seen].mean(axis=0, dtype=np.float64).astype(np.float32)
        named = None if names is None else named_head(names, vectors[seen], kind, labels, centre)
        head = fit_head(vectors[seen], targets[seen], kind, labels, centre, named=named)
        probs[~seen] = head.probs(vectors[~seen])
    return probs


def belief(probs: Floats, targets: Floats, kind: Kind) -> Floats:
    """The log of the probability (n,) that the model gives to what was answered: to the label, or
    to each of several labels as it was given or not. At most 0, and at least log(LEAST)."""
    if kind in EXCLUSIVE:
        given = (probs * targets).sum(axis=1, keepdims=True)
    else:
        given = np.where(targets > 0, probs, 1.0 - probs)
    result: Floats = np.log(np.maximum(given, LEAST)).sum(axis=1)
    return result


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
    said, given = decisions(probs, kind), targets > 0
    pairs: Counter[tuple[str, str]] = Counter()
    for missed, claimed in zip(given & ~said, said & ~given, strict=True):
        if missed.any() or claimed.any():
            pairs.update((a, b) for a in _names(missed, labels) for b in _names(claimed, labels))
    return [Confusion(*pair, count) for pair, count in pairs.most_common()]


def _names(chosen: Bools, labels: tuple[str, ...]) -> list[str]:
    return [labels[place] for place in np.flatnonzero(chosen)] or [""]
