"""How well a head fits labels."""

import numpy as np
import pytest

from model.heads.head import Head
from model.measuring.fit import f1_of, log_loss_of
from model.types import Kind, LabelGroup

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]
VECTORS = np.array([EAST, EAST, NORTH], np.float32)


def head(kind: Kind, groups: tuple[LabelGroup, ...] = (), labels: int = 2) -> Head:
    """Gives the first label to what lies in the east, with a probability of 3 in 4, and the second
    to what lies in the north, with the same."""
    weights = np.log(3.0) * np.eye(2, labels, dtype=np.float32)
    names = tuple("abcd"[:labels])
    return Head(kind, names, weights, np.zeros(labels), np.zeros(2), groups=groups)


def test_of_exclusive_labels() -> None:
    targets = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert f1_of(head("single"), VECTORS, targets) == pytest.approx(2 / 3)
    expected = -(np.log(0.75) + np.log(0.25) + np.log(0.75)) / 3
    assert log_loss_of(head("single"), VECTORS, targets) == pytest.approx(expected)


def test_of_several_labels() -> None:
    targets = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    sides = [0.75, 0.5, 0.25, 0.5, 0.5, 0.75]
    assert log_loss_of(head("multiple"), VECTORS, targets) == pytest.approx(-np.log(sides).mean())
    # A label of probability 0.5 is given: all but one of the labels of the three, which are three.
    assert f1_of(head("multiple"), VECTORS, targets) == pytest.approx(2 * 3 / (6 + 3))


def test_questions_without_an_answer_do_not_count() -> None:
    groups = (LabelGroup("single", 0, 2), LabelGroup("single", 2, 4))
    two = head("multiple", groups, labels=4)
    targets = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    assert log_loss_of(two, VECTORS, targets) == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 2)
    assert f1_of(two, VECTORS, targets) == pytest.approx(2 / 3)


def test_an_impossible_label_is_not_all_that_a_mean_shows() -> None:
    sure = Head("single", ("a", "b"), 900 * np.eye(2), np.zeros(2), np.zeros(2))
    targets = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert log_loss_of(sure, VECTORS, targets) == pytest.approx(-np.log(1e-7) / 3)


def test_nothing_answered() -> None:
    groups = (LabelGroup("single", 0, 1), LabelGroup("single", 1, 2))
    nothing = np.zeros((3, 2))
    assert log_loss_of(head("multiple", groups), VECTORS, nothing) == 0.0
    assert f1_of(head("multiple", groups), VECTORS, nothing) == 1.0
