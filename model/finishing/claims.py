"""What the model would write about tasks, how sure it is, and whether that is right."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from model.finishing.goal import Goal
from model.heads.deciding import confidence
from model.heads.head import Head
from model.types import EXCLUSIVE, Bools, Floats, LabelGroup

NOTHING = -1.0
"""The score of a task of which nothing is claimed."""


@dataclass(frozen=True)
class Claims:
    """The answers of one question, or of one of its labels, about n tasks.

    question: its place among the questions; label: the place of the label among all, None for all
    of the question's; scores (n,): the probability of the least certain label that is written,
    NOTHING where none is; asked (n,): whether the question is asked after the answers to others;
    right (n,): whether it is what people say; counted (n,): whether people say anything. Both are
    None where that is unknown.
    """

    question: int
    label: int | None
    scores: Floats
    asked: Bools
    right: Bools | None = None
    counted: Bools | None = None


def claims_of(head: Head, probs: Floats, goal: Goal, truth: Bools | None = None) -> list[Claims]:
    """The claims of a head: probs (n, c), and what people say (n, c), all False in the columns of a
    question that they leave out."""
    answers = _given(head, head.answers(probs))
    found: list[Claims] = []
    for place, group in enumerate(head.questions):
        is_asked = asked(head, group, answers)
        mine = answers[:, group.columns] & is_asked[:, None]
        said = None if truth is None else truth[:, group.columns]
        claims = _Question(group, probs[:, group.columns], mine, said, head, is_asked)
        found += claims.each(place) if goal.each_label else [claims.all(place, goal)]
    return found


def _given(head: Head, answers: Bools) -> Bools:
    """Without the answers (n, c) to questions that are not asked, on which others may depend."""
    found = answers
    for _ in head.groups:  # a chain of questions is no longer
        parts = [answers[:, one.columns] & asked(head, one, found)[:, None] for one in head.groups]
        found = np.hstack(parts)
    return found


def asked(head: Head, group: LabelGroup, answers: Bools) -> Bools:
    """Whether the question is asked about each task (n,), after the answers (n, c) to others."""
    result = np.ones(len(answers), dtype=np.bool_)
    for condition in group.conditions:
        wanted = frozenset(condition.labels)
        named = [place for place, label in enumerate(head.labels) if label in wanted]
        result &= answers[:, named].any(axis=1) != condition.is_negated
    return result


@dataclass(frozen=True)
class _Question:
    """One question: probs (n, c), answers (n, c), and what people say (n, c)."""

    group: LabelGroup
    probs: Floats
    answers: Bools
    said: Bools | None
    head: Head
    asked: Bools

    def all(self, place: int, goal: Goal) -> Claims:
        """Its answers, whatever the labels."""
        kind = self.group.kind
        is_given = self.answers.any(axis=1)
        if goal.whole and kind not in EXCLUSIVE:
            thresholds = self.head.thresholds
            mine: Floats | float = 0.5 if thresholds is None else thresholds[self.group.columns]
            scores = confidence(self.probs, kind, mine)
        else:
            scores = np.where(self.answers, self.probs, np.inf).min(axis=1)
        scores = np.where(is_given, scores, NOTHING)
        is_exact = goal.whole or kind in EXCLUSIVE
        right, counted = self._right(is_exact=is_exact), self._counted()
        return Claims(place, None, scores, self.asked, right, counted)

    def _right(self, *, is_exact: bool) -> Bools | None:
        if self.said is None:
            return None
        agrees = ~(self.answers ^ self.said)
        if not is_exact:
            agrees |= self.said
        return np.asarray(agrees.all(axis=1))

    def each(self, place: int) -> Iterator[Claims]:
        """The answers of each label."""
        for column in range(self.probs.shape[1]):
            scores = np.where(self.answers[:, column], self.probs[:, column], NOTHING)
            right: Bools | None = None if self.said is None else self.said[:, column]
            label = self.group.start + column
            yield Claims(place, label, scores, self.asked, right, self._counted())

    def _counted(self) -> Bools | None:
        """A question that people left out says nothing, unless it is the only one, where no label
        is an answer, too, or others' answers decide whether it is asked: then there should be
        none."""
        if self.said is None:
            return None
        if self.group.conditions or not self.head.groups:
            return np.ones(len(self.said), dtype=np.bool_)
        return np.asarray(self.said.any(axis=1))
