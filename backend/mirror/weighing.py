"""What the votes of several annotators weigh, from how often each is right where they overlap."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from backend.interface.questions import Answer, LabelConfig, Question
from model.measuring.annotators import Known, Opinions, quality, weights_of
from model.types import EXCLUSIVE, MARKED

FACT = "annotators"
"""The fact that holds what the last review found out about annotators by asking the model: question
-> their user id, as a text -> how many decisions were right, and of how many."""

COMPARED_TASKS = 4000
"""Weights come from at most so many tasks with several annotations, those with the highest ids: no
submit takes longer because more of them were labelled long ago."""

Person = int | None
"""The id of a user of Label Studio; None where an annotation has none: it was imported without
one, or its user was deleted."""


class Voted(NamedTuple):
    """What one person answered about one task. There are many, at each submit, and a dataclass
    takes three times as long to make."""

    task: int
    person: Person
    answer: Answer


@dataclass(frozen=True)
class Decisions:
    """The votes on one question as arrays: `people`: the users' ids by their place in `opinions`;
    `of`: the task and the label that each decision is about, "" for all labels."""

    opinions: Opinions
    people: list[int]
    of: list[tuple[int, str]]


@dataclass(frozen=True)
class Weights:
    """What votes weigh: question -> person -> weight, with that of an unknown person at None. Only
    of questions on which people are measurably different."""

    of: Mapping[str, Mapping[Person, float]] = field(default_factory=dict)

    def votes(self, question: Question, people: Sequence[Person]) -> list[float] | None:
        """The weight of each of the votes on one task by these people, who share it if they vote
        several times; None where all votes are equal."""
        mine = self.of.get(question.from_name)
        if mine is None:
            return None
        usual = mine[None]
        return [mine.get(one, usual) / (1 if one is None else people.count(one)) for one in people]


EQUAL = Weights()


def weights_from(
    votes: Sequence[Voted], config: LabelConfig, known: Mapping[str, Mapping[str, list[float]]]
) -> Weights:
    """The weights by all votes on tasks with several, and by what else is known (see FACT). Spans
    and boxes are left out: who is right about one says little without its borders."""
    found: dict[str, Mapping[Person, float]] = {}
    for question in config.questions:
        if question.kind not in MARKED:
            mine = _weights(votes, question, len(config.questions) == 1, known)
            found |= {question.from_name: mine} if mine else {}
    return Weights(found)


def _weights(
    votes: Sequence[Voted],
    question: Question,
    is_alone: bool,
    known: Mapping[str, Mapping[str, list[float]]],
) -> dict[Person, float] | None:
    decisions = decisions_on(question, votes, is_alone)
    people, besides = decisions.people, known.get(question.from_name, {})
    if len(people) < 2 or (len(people) == 2 and not besides):
        return None  # of two people who differ, nobody knows which one is right
    found = quality(decisions.opinions.of_several(), known_of(people, besides))
    if not found.differ:
        return None
    weights = weights_of(found.accuracy, decisions.opinions.options)
    usual = float(np.average(weights, weights=np.maximum(found.trials, 1e-9)))
    return {None: usual, **dict(zip(people, weights.tolist(), strict=True))}


def known_of(people: Sequence[int], besides: Mapping[str, list[float]]) -> Known:
    """What is known of these people, in their order."""
    pairs = np.array([besides.get(str(one), (0.0, 0.0)) for one in people], float)
    return Known(pairs[:, 0], pairs[:, 1])


def decisions_on(question: Question, votes: Sequence[Voted], is_alone: bool) -> Decisions:
    """The votes on one question that have a user. `is_alone`: whether it is the only question, so
    that an answer without any of its labels is an answer to it."""
    people: dict[int, int] = {}
    items: dict[tuple[int, str], int] = {}
    rows: list[tuple[int, int, int]] = []
    read = _read_one if question.kind in EXCLUSIVE else _read_several
    for person, of, option in read(question, votes, is_alone):
        item = items.setdefault(of, len(items))
        rows.append((item, people.setdefault(person, len(people)), option))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    options = max(2, len(question.labels)) if question.kind in EXCLUSIVE else 2
    opinions = Opinions(table[:, 0], table[:, 1], table[:, 2], len(people), options)
    return Decisions(opinions, list(people), list(items))


Read = tuple[int, tuple[int, str], int]
"""A user, the task and the label that were decided on ("" for all labels), and the option."""


def _read_one(question: Question, votes: Sequence[Voted], _: bool) -> Iterator[Read]:
    """The votes on a question that takes one label."""
    option_of = {label: place for place, label in enumerate(question.labels)}
    for vote in votes:
        given = [option_of[label] for label in vote.answer if label in option_of]
        if given and vote.person is not None:
            yield vote.person, (vote.task, ""), given[0]


def _read_several(question: Question, votes: Sequence[Voted], is_alone: bool) -> Iterator[Read]:
    """The votes on each label of a question that takes several, in the tasks where it was given."""
    mine = [question.of_label.keys() & set(vote.answer) for vote in votes]
    given: defaultdict[int, set[str]] = defaultdict(set)
    for vote, labels in zip(votes, mine, strict=True):
        given[vote.task] |= labels if vote.person is not None else set()
    for vote, labels in zip(votes, mine, strict=True):
        if vote.person is not None and (labels or is_alone):
            for label in sorted(given[vote.task]):
                yield vote.person, (vote.task, label), int(label in labels)
