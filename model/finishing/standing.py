"""Which answers stand without a person, by the promises that were made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.finishing.claims import NOTHING, Claims, claims_of
from model.finishing.goal import Goal
from model.finishing.promise import Promise
from model.heads.head import Head
from model.types import Bools, Floats


@dataclass(frozen=True)
class Standing:
    """labels (n, c): the labels that stand; tasks (n,): where every question that is asked has an
    answer and all of it stands, so that no person is needed."""

    labels: Bools
    tasks: Bools


def standing_of(head: Head, probs: Floats, goal: Goal, promises: Sequence[Promise]) -> Standing:
    """What stands of the answers to n tasks with these probabilities (n, c)."""
    answers = head.answers(probs)
    claimed = claims_of(head, probs, goal)
    labels = np.zeros_like(answers)
    for claims, promise in zip(claimed, promises, strict=True):
        passed = (claims.scores >= promise.threshold) & claims.asked
        columns = head.questions[claims.question].columns
        if claims.label is not None:
            columns = slice(claims.label, claims.label + 1)
        labels[:, columns] |= answers[:, columns] & passed[:, None]
    return Standing(labels, done_of(claimed, [promise.threshold for promise in promises]))


def done_of(claimed: Sequence[Claims], thresholds: Sequence[float]) -> Bools:
    """Which tasks (n,) no person needs to label: every question that is asked has an answer, and
    all that is claimed of it has at least its threshold, one for each of the claims."""
    whole: dict[int, Bools] = {}
    some: dict[int, Bools] = {}
    asked: dict[int, Bools] = {}
    for claims, threshold in zip(claimed, thresholds, strict=True):
        question, nobody = claims.question, np.zeros(len(claims.scores), dtype=np.bool_)
        passed = claims.scores >= threshold
        fits = passed | (claims.scores == NOTHING)
        whole[question] = whole.get(question, ~nobody) & fits
        some[question] = some.get(question, nobody) | passed
        asked[question] = claims.asked
    answered = [some[question] & whole[question] for question in whole]
    fits_all = [~asked[one] | mine for one, mine in zip(whole, answered, strict=True)]
    result: Bools = np.all(fits_all, axis=0) & np.any(answered, axis=0)
    return result
