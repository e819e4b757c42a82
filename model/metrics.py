"""How good decisions are: pure functions on arrays of shape (n, c)."""

import numpy as np

from model.types import Bools, Floats, Kind


def decisions(probs: Floats, kind: Kind) -> Bools:
    """Probabilities (n, c) to answers (n, c): the likeliest label, or all of at least 0.5."""
    if kind == "multiple":
        result: Bools = probs >= 0.5
        return result
    answers = np.zeros(probs.shape, dtype=np.bool_)
    if len(probs):
        answers[np.arange(len(probs)), probs.argmax(axis=1)] = True
    return answers


def scores(answers: Bools, truth: Bools) -> dict[str, float]:
    """`accuracy` (all labels of an example right), `micro_f1`, `macro_f1`; {} without examples."""
    if len(truth) == 0:
        return {}
    return {
        "accuracy": float((answers == truth).all(axis=1).mean()),
        "micro_f1": micro_f1(answers, truth),
        "macro_f1": macro_f1(answers, truth),
    }


def micro_f1(answers: Bools, truth: Bools) -> float:
    """F1 of all decisions together. In [0, 1]; 1 when there was nothing to find or claim."""
    return float(_f1(answers.ravel()[:, None], truth.ravel()[:, None])[0])


def macro_f1(answers: Bools, truth: Bools) -> float:
    """Mean of the labels' F1, over the labels that occur in truth or answers. In [0, 1]."""
    occurs = (answers | truth).any(axis=0)
    return float(_f1(answers, truth)[occurs].mean()) if occurs.any() else 1.0


def _f1(answers: Bools, truth: Bools) -> Floats:
    """F1 a column, shape (c,); 1 where a column has neither answer nor truth."""
    hits = (answers & truth).sum(axis=0)
    total = answers.sum(axis=0) + truth.sum(axis=0)
    result: Floats = np.where(total > 0, 2.0 * hits / np.maximum(total, 1), 1.0)
    return result
