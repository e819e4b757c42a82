"""From probabilities to answers: the one rule by which answers are measured and pre-annotated."""

import numpy as np

from model.heads.ordered import median_answers
from model.types import EXCLUSIVE, INDEPENDENT, Bools, Floats, Kind


def decisions(probs: Floats, kind: Kind, thresholds: Floats | float = 0.5) -> Bools:
    """Probabilities (n, c) to answers (n, c): the likeliest label (`single`), the median one
    (`ordered`), or all labels of at least their threshold, one number or (c,). Of two that
    exclude each other in a `ranking`, none where both are as probable."""
    if kind == "ranking":
        return probs > 0.5
    if kind in INDEPENDENT:
        result: Bools = probs >= thresholds
        return result
    if kind == "ordered":
        return median_answers(probs)
    answers = np.zeros(probs.shape, dtype=np.bool_)
    if len(probs):
        answers[np.arange(len(probs)), probs.argmax(axis=1)] = True
    return answers


def confidence(probs: Floats, kind: Kind, thresholds: Floats | float = 0.5) -> Floats:
    """How sure each answer is, (n,) in [0, 1]: the probability of its least certain decision, for
    or against a label; of exclusive labels that of the likeliest. Probabilities (n, c) of one label
    or more, thresholds as in `decisions`."""
    if kind in EXCLUSIVE:
        likeliest: Floats = probs.max(axis=1)
        return likeliest
    is_given = decisions(probs, kind, thresholds)
    least: Floats = np.where(is_given, probs, 1.0 - probs).min(axis=1)
    return least
