"""Which answers stand without a person, by the promises that were made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.finishing.claims import asked, claims_of
from model.finishing.goal import Goal
from model.finishing.promise import Promise
from model.heads.head import Head
from model.types import Bools, Floats, LabelGroup


@dataclass(frozen=True)
class Standing:
    """labels (n, c): the labels that stand; tasks (n,): where every question that is asked has an
    answer and all of it stands, so that no person is needed."""

    labels: Bools
    tasks: Bools


def standing_of(head: Head, probs: Floats, goal: Goal, promises: Sequence[Promise]) -> Standing:
    """What stands of the answers to n tasks with these probabilities (n, c)."""
    answers = head.answers(probs)
    groups = head.groups or (LabelGroup(head.kind, 0, len(head.labels)),)
    stands = np.zeros_like(answers)
    for claims, promise in zip(claims_of(head, probs, goal), promises, strict=True):
        passed = claims.scores >= promise.threshold
        columns = groups[claims.question].columns
        if claims.label is not None:
            columns = slice(claims.label, claims.label + 1)
        stands[:, columns] |= answers[:, columns] & passed[:, None]
    done = np.ones(len(probs), dtype=np.bool_)
    for group in groups:
        is_asked, mine = asked(head, group, answers), answers[:, group.columns]
        stands[:, group.columns] &= is_asked[:, None]
        whole = mine.any(axis=1) & (mine == stands[:, group.columns]).all(axis=1)
        done &= ~is_asked | whole
    done &= stands.any(axis=1)
    return Standing(stands, done)
