"""The votes of a task's annotations, one each, and what the majority agrees on."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from backend.interface.answers import read_result
from backend.interface.questions import Answer, LabelConfig, Question, may_be_empty
from backend.mirror.weighing import EQUAL, Person, Weights
from backend.types import Json
from model.measuring.annotators import chosen
from model.spans.tags import Span
from model.types import EXCLUSIVE


@dataclass(frozen=True)
class Votes:
    """What a task's annotations say: the answers, one for each that is neither a skip nor empty,
    with who gave each; and why parts of them say nothing, in words."""

    answers: list[Answer]
    lost: tuple[str, ...]
    people: list[Person] = field(default_factory=list)

    @classmethod
    def read(cls, annotations: list[Json], config: LabelConfig, empty_is_none: bool) -> "Votes":
        answers: list[Answer] = []
        people: list[Person] = []
        lost: dict[str, None] = {}
        for row in annotations:
            if row["was_cancelled"]:
                continue
            found = read_result(row["result"], config)
            lost.update(dict.fromkeys(found.lost))
            answer = found.answer
            if answer is None and row["result"] == [] and may_be_empty(config.kind, empty_is_none):
                answer = ()
            if answer is not None:
                answers.append(answer)
                people.append(_user(row.get("completed_by")))
        return cls(answers, tuple(lost), people)

    def agreed(self, config: LabelConfig) -> Answer | None:
        """The one answer of everybody to a single question, which is in the config's order; None
        where there are others, or several questions."""
        is_one = len(config.questions) == 1 and self.answers.count(self.answers[0]) == len(
            self.answers
        )
        return self.answers[0] if is_one else None


def _user(value: object) -> Person:
    """The id of the user who annotated, which Label Studio also sends with the user around it."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def consensus(
    votes: Sequence[Answer],
    config: LabelConfig,
    people: Sequence[Person] = (),
    weights: Weights = EQUAL,
) -> Answer | None:
    """What several annotators agree on, None where nothing is decided; `people`: who gave each of
    the votes, as far as they are weighed.

    With one label per task: the label whose votes weigh clearly more, else the one that most people
    gave. With several: each label for which the votes weigh clearly more than those against it,
    else which more people gave than left out; a label that as many gave as left out leaves the task
    undecided. Whoever votes several times counts once for each answer. With several questions, each
    is decided by those who answered it, unless it follows from an answer of theirs that the others
    do not share.
    """
    people = people or [None] * len(votes)
    if len(config.questions) == 1:
        agreed = _agreed(votes, config.questions[0], people, weights)
        return None if agreed is None else config.in_order(agreed)
    if len(votes) == 1:
        return votes[0] or None
    decided: list[str | Span] = []
    for question in config.in_turn:
        answered = [
            place for place, labels in enumerate(votes) if question.of_label.keys() & set(labels)
        ]
        theirs = [set(votes[place]) for place in answered]
        if not _is_overruled(question, theirs, set(decided)):
            mine = [config.in_order(labels & question.of_label.keys()) for labels in theirs]
            decided += _agreed(mine, question, [people[place] for place in answered], weights) or ()
    return config.in_order(decided) or None


def _is_overruled(
    question: Question, votes: Sequence[Set[str | Span]], decided: Set[str | Span]
) -> bool:
    """Whether the annotators with these votes were asked only because of answers that did not
    become the decided ones."""
    return any(
        not condition.holds(decided) and any(condition.holds(vote) for vote in votes)
        for condition in question.conditions
    )


class _Vote(NamedTuple):
    """An answer, the one who gave it, and what it weighs. Each without a user is another one."""

    answer: Answer
    voter: int
    weight: float


def _agreed(
    answers: Sequence[Answer], question: Question, people: Sequence[Person], weights: Weights
) -> Answer | None:
    """What these answers to one question agree on."""
    weighed = weights.votes(question, people) or [0.0] * len(answers)
    voters = [-1 - place if one is None else one for place, one in enumerate(people)]
    votes = [_Vote(*one) for one in zip(answers, voters, weighed, strict=True)]
    if question.kind in EXCLUSIVE:
        return _agreed_label(votes)
    return _agreed_labels(votes) if votes else None


def _agreed_label(votes: Sequence[_Vote]) -> Answer | None:
    """The one label, of those who gave one."""
    gave: dict[str | Span, list[_Vote]] = {}
    for vote in votes:
        if len(vote.answer) == 1:
            gave.setdefault(vote.answer[0], []).append(vote)
    found = _chosen(list(gave.values())) if gave else None
    return None if found is None else (list(gave)[found],)


def _agreed_labels(votes: Sequence[_Vote]) -> Answer | None:
    """Any number of labels, each for itself."""
    agreed: list[str | Span] = []
    for label in dict.fromkeys(label for vote in votes for label in vote.answer):
        without = [vote for vote in votes if label not in vote.answer]
        found = _chosen([without, [vote for vote in votes if label in vote.answer]])
        if found is None:
            return None
        agreed += [label] if found else []
    return tuple(agreed)


def _chosen(options: Sequence[Sequence[_Vote]]) -> int | None:
    """The place of the option that these votes for each of them decide on."""
    sums = [sum(vote.weight for vote in votes) for votes in options]
    return chosen(sums, [len({vote.voter for vote in votes}) for votes in options])
