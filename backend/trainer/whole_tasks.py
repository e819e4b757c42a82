"""Labels of whole tasks, as the trainer learns and reviews them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

import numpy as np

from backend.interface.names import names_of
from backend.interface.questions import Answer, LabelConfig, Question, labels_in
from backend.media.contents import TaskContents
from backend.mirror.targets import targets_of
from backend.trainer.doubts import LEAST_DOUBT, SHOWN_PAIRS, most_doubted
from backend.trainer.encoders import encoded
from backend.trainer.report import Report
from backend.types import Json
from model.encoders.finetune import Examples
from model.encoders.joint import JointEncoder
from model.heads.deciding import decisions
from model.measuring.review import FOLDS, belief, confusions, cross_validated, doubts
from model.types import Bools, Floats, Ints


class WholeTasks:
    """See backend.trainer.unit.TrainingUnit."""

    def __init__(self, config: LabelConfig) -> None:
        self._config = config

    def examples(self, _: JointEncoder, shown: TaskContents, answers: Sequence[Answer]) -> Examples:
        return Examples(shown, targets_of(answers, self._config.labels), shown.lengths)

    def reviewed(self, ids: Ints, _: int) -> Ints:
        return ids

    def doubts(
        self,
        encoder: JointEncoder,
        shown: TaskContents,
        answers: Sequence[Answer],
        seed: int,
        report: Report,
    ) -> Json:
        targets = targets_of(answers, self._config.labels)
        return doubted(shown.ids, encoded(encoder, shown, report), targets, self._config, seed)

    def belief(
        self,
        encoder: JointEncoder,
        shown: TaskContents,
        answers: Sequence[Answer],
        seed: int,
        report: Report,
    ) -> Floats:
        config = self._config
        vectors, names = encoded(encoder, shown, report), _named(encoder, config)
        targets = targets_of(answers, config.labels)
        found = [
            belief(
                cross_validated(
                    vectors[rows],
                    targets[rows][:, columns],
                    one.kind,
                    one.labels,
                    seed,
                    names=None if names is None else names[columns],
                ),
                targets[rows][:, columns],
                one.kind,
            )
            for one, columns, rows in _by_question(targets, config)
            if rows.sum() >= FOLDS
        ]
        return np.concatenate(found) if found else np.zeros(1)

    def differences(self, answers: Sequence[Answer]) -> list[tuple[str, ...]]:
        """One question after the other."""
        found: list[tuple[str, ...]] = []
        for question in self._config.questions:
            found += sorted(_pairs(_of_question(answers, question, self._config)))
        return found

    def readable(self, answer: Answer) -> list[str]:
        return list(labels_in(answer))


def doubted(
    ids: list[int], vectors: Floats, targets: Floats, config: LabelConfig, seed: int
) -> Json:
    """`tasks`: the most doubted labels, each with `task`, `doubt`, `given` and `said`;
    `confusions`: what is taken for what. Both empty while there are too few labels to tell.

    vectors (n, d): by the pretrained encoder; targets (n, c) of 0 and 1.
    """
    found: Json = {"tasks": [], "confusions": []}
    for question, columns, rows in _by_question(targets, config):
        mine = targets[rows][:, columns]
        of_question = _doubted(np.array(ids)[rows], vectors[rows], mine, question, seed)
        for name, some in of_question.items():
            found[name] += some
    return {
        "tasks": most_doubted(found["tasks"], len(ids)),
        "confusions": sorted(found["confusions"], key=lambda one: -one["count"])[:SHOWN_PAIRS],
    }


def _by_question(
    targets: Floats, config: LabelConfig
) -> Iterator[tuple[Question, list[int], Bools]]:
    """Each question, its columns of the targets (n, c), and the rows (n,) that answer it."""
    for question in config.questions:
        columns = [config.places[label] for label in question.labels]
        # Of several questions a task may lack the answer to this one.
        is_alone = len(config.questions) == 1
        counts = targets[:, columns].sum(axis=1)
        is_answered: Bools = (counts > 0) | is_alone
        yield question, columns, is_answered


def _named(encoder: JointEncoder, config: LabelConfig) -> Floats | None:
    """The vectors (c, d) of what the labels are called, zeros where there is no name; None where
    there is none at all."""
    names = names_of(config)
    if not names:
        return None
    found = np.zeros((len(config.labels), encoder.dimension), np.float32)
    found[[config.places[label] for label in names]] = encoder.encode(list(names.values()))
    return found


def _doubted(ids: Ints, vectors: Floats, targets: Floats, question: Question, seed: int) -> Json:
    """All doubted labels and all confusions of one question."""
    if len(ids) < 4 * FOLDS or len(np.unique(targets, axis=0)) < 2:
        return {}
    kind, labels = question.kind, question.labels
    probs = cross_validated(vectors, targets, kind, labels, seed)
    said, doubt = decisions(probs, kind), doubts(probs, targets, kind)
    return {
        "tasks": [
            {
                "task": int(ids[row]),
                "doubt": round(float(doubt[row]), 3),
                "given": _names(targets[row] > 0, labels),
                "said": _names(said[row], labels),
            }
            for row in np.flatnonzero(doubt >= LEAST_DOUBT)
        ],
        "confusions": [asdict(one) for one in confusions(probs, targets, kind, labels)],
    }


def _names(chosen: Iterable[bool], labels: Sequence[str]) -> list[str]:
    return [label for label, is_chosen in zip(labels, chosen, strict=True) if is_chosen]


def _of_question(
    answers: Sequence[Answer], question: Question, config: LabelConfig
) -> list[tuple[str, ...]]:
    """The answers to one of several questions, by those who gave one."""
    labels = [labels_in(answer) for answer in answers]
    if len(config.questions) == 1:
        return labels
    mine = [tuple(label for label in one if label in question.of_label) for one in labels]
    return [one for one in mine if one]


def _pairs(answers: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Each pair of labels that two of the answers have in place of each other, once."""
    return {
        tuple(sorted((mine, theirs)))
        for first in answers
        for second in answers
        for mine in set(first) - set(second) or {""}
        for theirs in set(second) - set(first) or {""}
        if mine != theirs
    }
