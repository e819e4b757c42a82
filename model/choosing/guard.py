"""The guard: while the audit labels show little skill, part of the tasks is drawn at random.

What a model is unsure of teaches it most only if it is sure of something for good reasons. On hard
sets (emotions, many labels) a model of a few dozen labels knows little more than how frequent each
label is; its uncertainty is noise then, and can teach less than random tasks. Random ones take
their place.

The first FIRST_LABELS labels are half the strategy's and half random, whatever the audit labels
say, for there are too few of them. A strategy that prefers typical examples misses scattered ones:
of TREC-6's questions for a description, a quarter of all, 6 % came among the first 25, and the head
was behind that of random labels.
"""

import numpy as np

from model.types import Bools, Floats

FIRST_LABELS, FIRST_SHARE = 45, 0.5
"""Until there are this many training labels, this share of the tasks is random."""
ENOUGH = 0.5
"""Skill from which on all tasks are the strategy's own."""
PRIOR_LABELS = 10
"""The skill counts as ENOUGH with the weight of this many audit labels, until these say
otherwise."""


def random_share(probs: Floats, truth: Bools) -> float:
    """The share of tasks to draw at random, in [0, 1], by what the audit labels show.

    probs, truth (m, c): the probabilities for the m audit examples and their true labels. 0 from a
    skill of ENOUGH on, and while all audit examples are labelled alike, which does not show any
    skill; near 1 without skill, the nearer the more labels say so.
    """
    m = len(truth)
    if m < 2 or (truth == truth[0]).all():
        return 0.0
    shrunk = (m * max(0.0, skill(probs, truth)) + PRIOR_LABELS * ENOUGH) / (m + PRIOR_LABELS)
    return float(np.clip(1.0 - shrunk / ENOUGH, 0.0, 1.0))


def skill(probs: Floats, truth: Bools) -> float:
    """Brier skill score (Brier 1950, Murphy 1973), at most 1: which part of the squared error of
    knowing nothing but the labels' frequencies the model is free of. 0 or less: none.

    probs, truth (m, c), m at least 2. The frequencies that an example is held against are those of
    the other m - 1, and of one more example that has half of each label, so that rare labels are
    not held impossible.
    """
    frequencies = (truth.sum(axis=0) - truth + 0.5) / len(truth)
    reference = ((frequencies - truth) ** 2).sum()
    return float(1.0 - ((probs - truth) ** 2).sum() / reference)
