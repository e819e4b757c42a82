"""How much a model believes labels that it has not learnt, to compare encoders by."""

import numpy as np

from model.heads.head import fit_head
from model.heads.lists import comparable
from model.heads.names import named_head
from model.measuring.review import FOLDS
from model.types import EXCLUSIVE, Floats, Kind

LEAST_BELIEF = 1e-6
"""A probability below this counts as this: one label that was thought impossible outweighs all
others no longer."""


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
    to each of several labels as it was given or not. At most 0, and at least log(LEAST_BELIEF)."""
    if kind in EXCLUSIVE:
        given = (probs * targets).sum(axis=1, keepdims=True)
    else:
        given = np.where(targets > 0, probs, 1.0 - probs)
        given = np.where(comparable(targets > 0, kind), given, 1.0)
    result: Floats = np.log(np.maximum(given, LEAST_BELIEF)).sum(axis=1)
    return result
