"""The votes of a task's annotations, one each, and what the majority agrees on."""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

from backend.interface.answers import read_result
from backend.interface.questions import Answer, LabelConfig, Question, may_be_empty
from backend.types import Json
from model.spans.tags import Span
from model.types import EXCLUSIVE, Kind


def votes_of(annotations: list[Json], config: LabelConfig, empty_is_none: bool) -> list[Answer]:
    """The answer of each of a task's annotations, except skips and empty ones."""
    return Votes.read(annotations, config, empty_is_none).answers


@dataclass(frozen=True)
class Votes:
    """What a task's annotations say: the answers, one for each that is neither a skip nor empty;
    and why parts of them say nothing, in words."""

    answers: list[Answer]
    lost: tuple[str, ...]

    @classmethod
    def read(cls, annotations: list[Json], config: LabelConfig, empty_is_none: bool) -> "Votes":
        answers: list[Answer] = []
        lost: dict[str, None] = {}
        for row in annotations:
            if row["was_cancelled"]:
                continue
            found = read_result(row["result"], config)
            lost.update(dict.fromkeys(found.lost))
            if found.answer is not None:
                answers.append(found.answer)
            elif row["result"] == [] and may_be_empty(config.kind, empty_is_none):
                answers.append(())
        return cls(answers, tuple(lost))


def consensus(votes: Sequence[Answer], config: LabelConfig) -> Answer | None:
    """What several annotators agree on; None where there is no majority.

    With one label per task: the label with the most votes. With several: each label that more than
    half of the annotators gave; a label that exactly half of them gave leaves the task undecided.
    With several questions, each is decided by those who answered it, unless it follows from an
    answer of theirs that the others do not share.
    """
    if len(config.questions) == 1:
        agreed = _agreed(votes, config.kind)
        return None if agreed is None else config.in_order(agreed)
    if len(votes) == 1:
        return votes[0] or None
    decided: list[str | Span] = []
    for question in config.in_turn:
        theirs = [labels for labels in map(set, votes) if labels & question.of_label.keys()]
        if not _is_overruled(question, theirs, set(decided)):
            mine = [config.in_order(labels & question.of_label.keys()) for labels in theirs]
            decided += _agreed(mine, question.kind) or ()
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


def _agreed(votes: Sequence[Answer], kind: Kind) -> Answer | None:
    if kind in EXCLUSIVE:
        ranked = Counter(answer[0] for answer in votes if len(answer) == 1).most_common(2)
        if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
            return None
        return (ranked[0][0],)
    counts = Counter(label for answer in votes for label in answer)
    if not votes or any(2 * count == len(votes) for count in counts.values()):
        return None
    return tuple(label for label, count in counts.items() if 2 * count > len(votes))
