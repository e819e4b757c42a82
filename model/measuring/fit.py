"""How well a head fits labels: those that it has learnt, and others, for curves over the rounds."""

import numpy as np

from model.heads.head import Head
from model.heads.lists import comparable
from model.measuring.metrics import micro_f1
from model.types import INDEPENDENT, OF_LISTS, Bools, Floats, LabelGroup

LEAST = 1e-7
"""A probability below this counts as this: one label that the head held to be impossible would
otherwise be all that a mean shows."""


def f1_of(head: Head, vectors: Floats, targets: Floats) -> float:
    """The micro-F1, in [0, 1], of the head's answers to vectors (n, d) with the labels (n, c) of 0
    and 1. Of several questions, those without an answer do not count."""
    answers = head.answers(head.probs(vectors))
    for group, answered in _answered(head, targets):
        answers[~answered, group.columns] = False
    if head.kind in OF_LISTS:
        answers &= comparable(targets > 0, head.kind)
    return micro_f1(answers, targets > 0)


def log_loss_of(head: Head, vectors: Floats, targets: Floats) -> float:
    """The log-loss in nats, of the same; 0 without any answer.

    Of exclusive labels, minus the logarithm of the probability of the right one, the mean over the
    examples; of several labels, the mean of the binary cross-entropies, over examples and labels;
    of several questions, the mean of theirs, each over the examples that answer it.
    """
    probs = head.probs(vectors)
    losses = [
        _log_loss(probs[answered, group.columns], targets[answered, group.columns] > 0, group)
        for group, answered in _answered(head, targets)
        if answered.any()
    ]
    return float(np.mean(losses)) if losses else 0.0


def _answered(head: Head, targets: Floats) -> list[tuple[LabelGroup, Bools]]:
    """Each question, and which of the examples (n,) answer it: all where it is the only one."""
    if not head.groups:
        return [(one, np.ones(len(targets), np.bool_)) for one in head.questions]
    return [(one, targets[:, one.columns].sum(axis=1) > 0) for one in head.questions]


def _log_loss(probs: Floats, truth: Bools, group: LabelGroup) -> float:
    if group.kind in INDEPENDENT:
        return -float(np.log(np.where(truth, probs, 1.0 - probs).clip(min=LEAST)).mean())
    return -float(np.log((probs * truth).sum(axis=1).clip(min=LEAST)).mean())
