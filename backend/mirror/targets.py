"""What people answered, in the shapes that the learning side takes."""

from collections.abc import Iterable

import numpy as np

from backend.interface.answers import Labels
from model.spans.tags import Span
from model.types import Floats


def given(answers: Iterable[Labels]) -> set[str]:
    """All labels that somebody gave."""
    return {label for answer in answers for label in answer}


def targets_of(answers: list[Labels], labels: tuple[str, ...]) -> Floats:
    """Label sets as an array (len(answers), len(labels)) of 0 and 1. Other labels are left out."""
    column = {label: place for place, label in enumerate(labels)}
    targets = np.zeros((len(answers), len(labels)), dtype=np.float32)
    for row, answer in enumerate(answers):
        targets[row, [column[label] for label in answer if label in column]] = 1.0
    return targets


def spans_of(answer: Labels) -> list[Span]:
    """The spans that an answer consists of."""
    return [Span.parse(label) for label in answer]
