"""What changes in clips from their beginning to their end, and whether labels are about that."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from model.measuring.belief import belief, cross_validated
from model.measuring.review import FOLDS
from model.types import Floats, Kind

WEIGHT = 3.0
"""How much a change counts as against what is there all the time. See docs/figures.md."""

LEAST_CLIPS = 4 * FOLDS
"""With fewer nothing is decided."""

SURE = 2.0
"""Standard errors. What moves takes some of the weight of what is there."""

MOST_COMPARED = 500
"""Clips that are compared, the first ones: the folds cost seconds with more."""


def trends(frames: Floats, lengths: Sequence[int]) -> Floats:
    """Frames' vectors (sum of lengths, d), clip after clip, to (n, d), float32: how fast each
    number grows from the beginning of a clip to its end (the slope of a straight line through its
    frames, half the clip being the unit of time), as a share of the length of the mean vector.
    Zeros for a clip of one frame, and for one in which nothing moves.
    """
    ends = np.cumsum([0, *lengths])
    found = np.zeros((len(lengths), frames.shape[1]), np.float32)
    for row, (start, end) in enumerate(pairwise(ends)):
        clip = frames[start:end]
        if len(clip) > 1:
            times = np.linspace(-1.0, 1.0, len(clip), dtype=np.float32)
            mean = np.linalg.norm(clip.mean(axis=0))
            found[row] = times @ clip / ((times**2).sum() * max(float(mean), 1e-12))
    return found


def is_about_motion(still: Floats, moving: Floats, targets: Floats) -> bool:
    """Whether labels (n, c) of 0 and 1 are better told from vectors (n, d + e) that say what moves
    than from those (n, d) that do not: by what a model of the other folds believes of them, with a
    difference of more than SURE standard errors. False for fewer than LEAST_CLIPS clips."""
    known = targets[:MOST_COMPARED]
    known = known[:, known.any(axis=0)]
    if len(known) < LEAST_CLIPS or known.shape[1] < 2:
        return False
    kind: Kind = "single" if (known.sum(axis=1) == 1).all() else "multiple"
    labels = tuple(map(str, range(known.shape[1])))
    with_it, without = (
        belief(cross_validated(vectors[: len(known)], known, kind, labels, 0), known, kind)
        for vectors in (moving, still)
    )
    gains = with_it - without
    return bool(gains.mean() > SURE * gains.std(ddof=1) / np.sqrt(len(gains)))
