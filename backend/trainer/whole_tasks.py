"""Labels of whole tasks, as the trainer learns and reviews them."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from backend.interface.names import names_of
from backend.interface.questions import Answer, LabelConfig, Question, labels_in
from backend.media.contents import TaskContents
from backend.mirror.targets import targets_of
from backend.trainer.annotators import about_annotators, known_of, panels, voted
from backend.trainer.doubts import SHOWN_PAIRS, most_doubted
from backend.trainer.encoders import encoded
from backend.trainer.report import Report
from backend.trainer.second import is_comparable, second_opinions
from backend.trainer.told import Reviewed, Told, by_question, given_labels, told_about
from backend.types import Json
from model.choosing.audit import SAMPLE_LOT, by_lot
from model.encoders.finetune import Examples
from model.encoders.joint import JointEncoder
from model.measuring.belief import belief, cross_validated
from model.measuring.review import FOLDS, confusions, verdicts
from model.types import Bools, Floats, Ints

COMPARED_TASKS = 200
"""Tasks without a label that are looked at beside the labelled ones, and no more than of these: a
review takes at most twice as long."""


class WholeTasks:
    """See backend.trainer.unit.TrainingUnit."""

    def __init__(self, config: LabelConfig) -> None:
        self._config = config

    def examples(self, _: JointEncoder, shown: TaskContents, answers: Sequence[Answer]) -> Examples:
        return Examples(shown, targets_of(answers, self._config.labels), shown.lengths)

    def reviewed(self, ids: Ints, _: int) -> Ints:
        return ids

    def compared(self, open_ids: Ints, labelled: int, seed: int) -> Ints:
        most = min(COMPARED_TASKS, labelled)
        if not is_comparable(self._config):
            most = 0
        return open_ids[by_lot(open_ids, most, seed + SAMPLE_LOT)]

    def doubts(self, encoder: JointEncoder, reviewed: Reviewed, seed: int, report: Report) -> Json:
        ids, config = reviewed.ids, self._config
        targets = targets_of(reviewed.answers, config.labels)
        vectors = encoded(encoder, reviewed.shown, report)
        told = told_about(ids, vectors[: len(ids)], targets, config, seed, vectors[len(ids) :])
        found = panels(voted(reviewed.votes), told, config)
        return {
            **doubted(told, len(ids)),
            "annotators": about_annotators(reviewed.votes, found, config),
            "again": second_opinions(told, found, reviewed.open_tasks),
            "known": known_of(found),
        }

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
            for one, columns, rows in by_question(targets, config)
            if rows.sum() >= FOLDS
        ]
        return np.concatenate(found) if found else np.zeros(1)

    def differences(self, answers: Sequence[Answer]) -> list[tuple[str, ...]]:
        """One question after the other."""
        found: list[tuple[str, ...]] = []
        for question in self._config.questions:
            found += sorted(_pairs(_of_question(answers, question, self._config)))
        return found

    def agree(self, answers: Sequence[Answer]) -> bool:
        return len(set(answers)) == 1

    def readable(self, answer: Answer) -> list[str]:
        return list(labels_in(answer))


def doubted(told: Sequence[Told], labelled: int) -> Json:
    """`tasks`: labels that are probably mistakes, the most doubted first; `hard`: tasks about which
    the model changes its opinion with what it has learnt from; each with `task`, `doubt`, `given`
    and `said`. `confusions`: what is taken for what. All empty while there are too few labels to
    tell."""
    found: Json = {"tasks": [], "hard": [], "confusions": []}
    for one in told:
        for name, some in _doubted(one).items():
            found[name] += some
    return {
        "tasks": most_doubted(found["tasks"], labelled),
        "hard": most_doubted(found["hard"], labelled),
        "confusions": sorted(found["confusions"], key=lambda one: -one["count"])[:SHOWN_PAIRS],
    }


def _named(encoder: JointEncoder, config: LabelConfig) -> Floats | None:
    """The vectors (c, d) of what the labels are called, zeros where there is no name; None where
    there is none at all."""
    names = names_of(config)
    if not names:
        return None
    found = np.zeros((len(config.labels), encoder.dimension), np.float32)
    found[[config.places[label] for label in names]] = encoder.encode(list(names.values()))
    return found


def _doubted(told: Told) -> Json:
    """All mistakes, hard tasks and confusions of one question."""
    kind, labels = told.question.kind, told.question.labels
    found = verdicts(told.probs, told.targets, kind)
    said = told.said

    def rows(which: Bools) -> list[Json]:
        return [
            {
                "task": int(told.ids[row]),
                "doubt": round(float(found.doubt[row]), 3),
                "given": given_labels(told.targets[row] > 0, labels),
                "said": given_labels(said[row], labels),
            }
            for row in np.flatnonzero(which)
        ]

    pairs = confusions(told.mean, told.targets, kind, labels)
    return {
        "tasks": rows(found.wrong),
        "hard": rows(found.hard),
        "confusions": [asdict(one) for one in pairs],
    }


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
