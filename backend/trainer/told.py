"""What models that did not learn the labelled tasks say of them, question by question."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backend.interface.questions import Answer, LabelConfig, Question
from backend.media.contents import TaskContents
from backend.mirror.votes import Votes
from model.heads.deciding import decisions
from model.measuring.review import LEAST, half_trained
from model.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Reviewed:
    """What a review looks at: shown: what tasks show, first the labelled ones, then some of those
    without a label, drawn at random; answers: what is learnt of each labelled one; votes: task ->
    all that people answered; open_tasks: how many are without a label, items of a dataset that are
    no tasks yet included."""

    shown: TaskContents
    answers: Sequence[Answer]
    votes: dict[int, Votes]
    open_tasks: int

    @property
    def ids(self) -> list[int]:
        """The labelled tasks."""
        return self.shown.ids[: len(self.answers)]


@dataclass(frozen=True)
class Told:
    """Of one question: the tasks that were answered, ids (n,), targets (n, c); probs (r, n, c):
    what each of several models says; beside (m, c): what they say together of tasks without a
    label."""

    question: Question
    ids: Ints
    targets: Floats
    probs: Floats
    beside: Floats

    @property
    def mean(self) -> Floats:
        """What all models say together (n, c)."""
        result: Floats = self.probs.mean(axis=0, dtype=np.float32)
        return result

    @property
    def said(self) -> Bools:
        """What they decide together (n, c)."""
        return decisions(self.mean, self.question.kind)


def by_question(
    targets: Floats, config: LabelConfig
) -> Iterator[tuple[Question, list[int], Bools]]:
    """Each question, its columns of the targets (n, c), and the rows (n,) that answer it."""
    is_alone = len(config.questions) == 1
    for question in config.questions:
        columns = [config.places[label] for label in question.labels]
        # Of several questions a task may lack the answer to this one.
        is_answered: Bools = (targets[:, columns].sum(axis=1) > 0) | is_alone
        yield question, columns, is_answered


def told_about(
    ids: Sequence[int],
    vectors: Floats,
    targets: Floats,
    config: LabelConfig,
    seed: int,
    opened: Floats | None = None,
) -> list[Told]:
    """Of each question with enough different answers to learn from.

    vectors (n, d), opened (m, d): by the pretrained encoder; targets (n, c) of 0 and 1.
    """
    found = []
    for question, columns, rows in by_question(targets, config):
        mine = targets[:, columns]
        kind, labels = question.kind, question.labels
        if rows.sum() >= LEAST and len(np.unique(mine[rows], axis=0)) > 1:
            probs = half_trained(vectors[rows], mine[rows], kind, labels, seed, opened)
            found.append(Told(question, np.array(ids)[rows], mine[rows], *probs))
    return found


def given_labels(chosen: Sequence[bool] | Bools, labels: Sequence[str]) -> list[str]:
    """The labels that are chosen."""
    return [label for label, is_chosen in zip(labels, chosen, strict=True) if is_chosen]
