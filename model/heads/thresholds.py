"""Thresholds per label for the `multiple` kind: from which probability on a label is claimed."""

import numpy as np

from model.types import Floats, Ints

LOWEST = 0.15
"""No label is claimed below this probability, however rare. One that the model cannot tell apart
yet would otherwise be claimed everywhere, for that maximises its F1. Lower values gain macro-F1 and
lose micro-F1 on fine-tuned encoders; with this one micro-F1 stays as with 0.5 or grows."""


def fit_thresholds(probs: Floats, positives: Ints) -> Floats:
    """Thresholds (c,) that maximise each label's expected F1 over the pool. In [LOWEST, 0.5].

    probs (n, c): calibrated probabilities of the pool; no labels are needed. positives (c,): how
    many labelled examples carry each label, its name counted as one; a label without any stays at
    0.5, for its probabilities come from no evidence, and so do all labels for an empty pool. (With
    names not counted, micro-F1 before any label was .17 on SemEval-2018's emotions, and is .43.)

    The best threshold is half the F1 that it reaches (Lipton, Elkan & Naryanaswamy 2014,
    arXiv:1402.1892), so a rare or hard label gets a low one and is not lost.
    """
    if len(probs) == 0:
        return np.full(probs.shape[1], 0.5)
    best = np.maximum(best_expected_f1(probs, LOWEST) / 2, LOWEST)
    return np.where(positives > 0, best, 0.5)


def best_expected_f1(probs: Floats, lowest: float = 0.0) -> Floats:
    """The largest expected F1 (c,) that a threshold of `lowest` or more reaches; 0 if no
    probability is so large. probs (n, c), n at least 1.

    Claiming the k likeliest of n examples hits the sum of their probabilities:
    E[F1] = 2 * sum of the k largest / (k + sum of all).
    """
    best = np.zeros(probs.shape[1])
    for column, of_label in enumerate(np.ascontiguousarray(probs.T)):
        likely = np.sort(of_label[of_label >= lowest])[::-1]
        hits = np.cumsum(likely, dtype=np.float64)
        claims = np.arange(1, len(likely) + 1)
        total = of_label.sum(dtype=np.float64)
        best[column] = (2 * hits / (claims + total)).max(initial=0.0)
    return best
