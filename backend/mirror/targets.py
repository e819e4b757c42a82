"""Annotators' answers, in the form that the model takes."""

from collections.abc import Iterable, Sequence

import numpy as np

from backend.interface.questions import Answer
from model.types import Floats


def given_labels(answers: Iterable[Answer]) -> set[str]:
    """All labels of whole tasks in these answers."""
    return {label for answer in answers for label in answer if isinstance(label, str)}


def targets_of(answers: Sequence[Answer], labels: tuple[str, ...]) -> Floats:
    """Label sets as an array (len(answers), len(labels)) of 0 and 1. Other labels are left out."""
    column: dict[object, int] = {label: place for place, label in enumerate(labels)}
    targets = np.zeros((len(answers), len(labels)), dtype=np.float32)
    for row, answer in enumerate(answers):
        targets[row, [column[label] for label in answer if label in column]] = 1.0
    return targets
