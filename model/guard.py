"""The guard: while the audit labels show no skill, part of the tasks is drawn at random.

What a model is unsure of teaches it most only if it is sure of something for good reasons. On hard
sets (emotions, subtle polarity) a model of a few dozen labels knows little more than how frequent
each label is; its uncertainty is noise then, the examples that it chooses are odd ones, and their
labels teach less than random ones would.
"""

import numpy as np

from model.types import Bools, Floats

ENOUGH = 0.5
"""Skill from which on all tasks are the strategy's own. On the benchmark sets it is passed before
the 100th label everywhere but on goemotions-ekman, where it is never reached."""
PRIOR_LABELS = 5
"""The skill counts as ENOUGH with the weight of so many audit labels, until these say otherwise."""


def random_share(probs: Floats, truth: Bools) -> float:
    """The share of tasks to draw at random, in [0, 1], from the audit labels.

    probs, truth (m, c): what the model says of the m audit examples and what is true. 0 from a
    skill of ENOUGH on, and without audit labels; 1 without any skill, when many labels say so.
    """
    m = len(truth)
    if m < 2:
        return 0.0
    shrunk = (m * skill(probs, truth) + PRIOR_LABELS * ENOUGH) / (m + PRIOR_LABELS)
    return float(np.clip(1.0 - shrunk / ENOUGH, 0.0, 1.0))


def skill(probs: Floats, truth: Bools) -> float:
    """Brier skill score (Brier 1950, Murphy 1973), at most 1: which part of the squared error of
    knowing nothing but the labels' frequencies the model is free of. 0 or less: none.

    probs, truth (m, c), m at least 2. The frequencies that an example is held against are those of
    the other m - 1, one half more of each label, so that rare labels are not held impossible.
    """
    m, c = truth.shape
    frequencies = (truth.sum(axis=0) - truth + 0.5) / (m - 1 + 0.5 * max(c, 2))
    reference = ((frequencies - truth) ** 2).sum()
    return float(1.0 - ((probs - truth) ** 2).sum() / reference)
