"""Which of several questions a task is asked: some follow from the answers to others."""

from collections.abc import Sequence

import numpy as np

from model.heads.head import Head
from model.types import EXCLUSIVE, Condition, Floats


def asked_share(conditions: Sequence[Condition], head: Head, probs: Floats) -> Floats:
    """The probability (n,) in [0, 1] that all conditions hold, as if they were independent. probs
    (n, c) of the head's labels; labels that the head does not know are not given."""
    shares = [_holding(condition, head, probs) for condition in conditions]
    result: Floats = np.prod(shares, axis=0) if shares else np.ones(len(probs))
    return result


def _holding(condition: Condition, head: Head, probs: Floats) -> Floats:
    """The probability (n,) that one condition holds."""
    none_given = np.ones(len(probs))
    wanted = frozenset(condition.labels)  # of a large taxonomy ten thousand
    for group in head.questions:
        columns = range(group.start, group.stop)
        named = [column for column in columns if head.labels[column] in wanted]
        mine = probs[:, named]
        if group.kind in EXCLUSIVE:
            none_given *= 1.0 - np.minimum(mine.sum(axis=1), 1.0)
        else:
            none_given *= np.prod(1.0 - mine, axis=1)
    return none_given if condition.is_negated else 1.0 - none_given
