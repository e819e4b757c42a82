"""The votes of a task's annotations, one each, and what the majority agrees on."""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from backend.interface.answers import read_result
from backend.interface.questions import (
    Answer,
    LabelConfig,
    Question,
    attributes_in,
    boxes_in,
    may_be_empty,
    spans_in,
)
from backend.mirror.weighing import EQUAL, Person, Weights
from backend.types import Json
from model.boxes.geometry import Box
from model.measuring.annotators import chosen
from model.spans.pieces import agreed_pieces
from model.spans.tags import Attribute, Span
from model.types import EXCLUSIVE, Kind


@dataclass(frozen=True)
class Votes:
    """What a task's annotations say: the answers, one for each that is neither a skip nor empty,
    with who gave each; and why parts of them say nothing, in words."""

    answers: list[Answer]
    lost: tuple[str, ...]
    people: list[Person] = field(default_factory=list)

    @classmethod
    def read(
        cls, annotations: list[Json], config: LabelConfig, empty_is_none: bool, text: str = ""
    ) -> "Votes":
        """`text`: what the task shows, where `config.reads_text` asks for it."""
        answers: list[Answer] = []
        people: list[Person] = []
        lost: dict[str, None] = {}
        for row in by_people(annotations):
            if row["was_cancelled"]:
                continue
            found = read_result(row["result"], config, text)
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


def by_people(annotations: list[Json]) -> list[Json]:
    """Those of a task's annotations in the mirror that the model did not make."""
    return [row for row in annotations if "finished" not in row]


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

    With one label per task: the label whose votes weigh clearly more, else the one with the most
    votes. With several: each label for which the votes weigh clearly more than those against it,
    else which more than half of the annotators gave; a label that exactly half of them gave leaves
    the task undecided. With several questions, each is decided by those who answered it, unless it
    follows from an answer of theirs that the others do not share; undecided spans leave the whole
    task undecided. Of pieces of a sound, the stretches that more than half of them marked. Of what
    is said of spans, what more than half of them said of one in the same place.
    """
    if config.about_spans and len(votes) > 1:
        marks = [tuple(one for one in vote if not isinstance(one, Attribute)) for vote in votes]
        agreed = _consensus(marks, config, people, weights)
        counts = Counter(one for vote in votes for one in attributes_in(vote))
        about = [one for one, count in counts.items() if 2 * count > len(votes)]
        return None if agreed is None else config.in_order([*agreed, *about])
    return _consensus(votes, config, people, weights)


def _consensus(
    votes: Sequence[Answer], config: LabelConfig, people: Sequence[Person], weights: Weights
) -> Answer | None:
    """The same without what is said of spans, but of a single vote."""
    if config.marking is not None and config.marking.control.is_measured:
        found = votes[0] if len(votes) == 1 else agreed_pieces([spans_in(vote) for vote in votes])
        return None if found is None else config.in_order(found)
    if config.kind == "boxes":
        return _agreed_boxes(votes, config)
    if len(config.questions) == 1:
        weighed = weights.votes(config.questions[0], people)
        agreed = _agreed(votes, config.kind, weighed)
        return None if agreed is None else config.in_order(agreed)
    if len(votes) == 1:
        return votes[0] if votes[0] or config.marking else None
    decided: list[str | Span | Box] = []
    for question in config.in_turn:
        answered = [place for place, vote in enumerate(votes) if _answers(vote, question)]
        theirs = [set(votes[place]) for place in answered]
        if not _is_overruled(question, theirs, set(decided)):
            mine = [config.in_order(_given_to(question, vote)) for vote in theirs]
            voters = [people[place] for place in answered] if people else []
            agreed = _agreed(mine, question.kind, weights.votes(question, voters))
            if agreed is None and answered and question.kind == "spans":
                return None  # without them it would say that there are none
            decided += agreed or ()
    return config.in_order(decided) or (() if config.marking else None)


def _answers(vote: Answer, question: Question) -> bool:
    """Whether somebody with this vote answered the question; one who was asked for spans did, also
    by marking none."""
    given = set(vote)
    if question.kind == "spans":
        return all(condition.holds(given) for condition in question.conditions)
    return bool(_given_to(question, given))


def _given_to(question: Question, vote: Set[str | Span | Box]) -> Set[str | Span | Box]:
    """The part of a vote that answers one of several questions."""
    if question.kind == "spans":
        return {one for one in vote if isinstance(one, Span)}
    return question.of_label.keys() & vote


def _is_overruled(
    question: Question, votes: Sequence[Set[str | Span | Box]], decided: Set[str | Span | Box]
) -> bool:
    """Whether the annotators with these votes were asked only because of answers that did not
    become the decided ones."""
    return any(
        not condition.holds(decided) and any(condition.holds(vote) for vote in votes)
        for condition in question.conditions
    )


def _agreed_boxes(votes: Sequence[Answer], config: LabelConfig) -> Answer | None:
    from model.boxes.agreement import agreed_boxes  # noqa: PLC0415 (most projects have no boxes)

    if len(votes) == 1:
        return config.in_order(votes[0])
    agreed = agreed_boxes([boxes_in(vote) for vote in votes])
    return None if agreed is None else config.in_order(agreed)


def _agreed(
    votes: Sequence[Answer], kind: Kind, weights: Sequence[float] | None = None
) -> Answer | None:
    """`weights`: of the votes; None where all are equal."""
    if kind in EXCLUSIVE:
        return _agreed_label(votes, weights or [0.0] * len(votes))
    if not votes:
        return None
    if weights is not None:
        return _agreed_labels(votes, weights)
    counts = Counter(label for answer in votes for label in answer)
    if any(2 * count == len(votes) for count in counts.values()):
        return None
    return tuple(label for label, count in counts.items() if 2 * count > len(votes))


def _agreed_label(votes: Sequence[Answer], weights: Sequence[float]) -> Answer | None:
    """The one label, of those who gave one."""
    given = [
        (answer[0], weight)
        for answer, weight in zip(votes, weights, strict=True)
        if len(answer) == 1
    ]
    counts: Counter[str | Span | Box] = Counter(label for label, _ in given)
    sums = dict.fromkeys(counts, 0.0)
    for label, weight in given:
        sums[label] += weight
    found = chosen(list(sums.values()), list(counts.values())) if counts else None
    return None if found is None else (list(counts)[found],)


def _agreed_labels(votes: Sequence[Answer], weights: Sequence[float]) -> Answer | None:
    """Any number of labels, each for itself."""
    agreed: list[str | Span | Box] = []
    for label in dict.fromkeys(label for answer in votes for label in answer):
        gave = [label in answer for answer in votes]
        sums, count = [0.0, 0.0], sum(gave)
        for is_given, weight in zip(gave, weights, strict=True):
            sums[is_given] += weight
        found = chosen(sums, [len(votes) - count, count])
        if found is None:
            return None
        agreed += [label] if found else []
    return tuple(agreed)
