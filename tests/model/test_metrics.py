import math

import numpy as np
import pytest

from model.metrics import decisions, macro_f1, micro_f1, scores
from model.types import Bools, Kind


def table(*rows: str) -> Bools:
    """Rows such as "x.x" as an array: x is a label that was given."""
    return np.array([[mark == "x" for mark in row] for row in rows])


def test_a_single_decision_is_the_likeliest_label() -> None:
    probs = np.array([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]])
    assert decisions(probs, "single").tolist() == table(".x.", "x..").tolist()


def test_a_tie_is_still_one_label() -> None:
    assert decisions(np.array([[0.4, 0.2, 0.4]]), "single").tolist() == table("x..").tolist()


def test_multiple_decisions_are_all_labels_of_at_least_one_half() -> None:
    probs = np.array([[0.5, 0.49, 0.9], [0.1, 0.2, 0.3]])
    assert decisions(probs, "multiple").tolist() == table("x.x", "...").tolist()


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_no_examples_no_decisions(kind: Kind) -> None:
    assert decisions(np.zeros((0, 3)), kind).shape == (0, 3)


def test_scores_of_single_labels() -> None:
    """Of a, a, b, c the model says a, b, b, a: F1 is 1/2 for a, 2/3 for b, 0 for c."""
    truth = table("x..", "x..", ".x.", "..x")
    answers = table("x..", ".x.", ".x.", "x..")
    assert scores(answers, truth) == {
        "accuracy": 0.5,
        "micro_f1": 0.5,
        "macro_f1": pytest.approx((1 / 2 + 2 / 3 + 0) / 3),
    }


def test_accuracy_asks_for_all_labels_of_an_example() -> None:
    truth, answers = table("xx.", "x..", "..."), table("x..", "x..", "...")
    assert scores(answers, truth)["accuracy"] == pytest.approx(2 / 3)


def test_scores_of_nothing_are_absent_and_not_zero() -> None:
    assert scores(table()[:, None], table()[:, None]) == {}


def test_micro_f1_counts_decisions_together() -> None:
    """Two hits, one false claim, two misses: 2 * 2 / (3 + 4)."""
    assert micro_f1(table("xx", "x.", ".."), table("xx", ".x", ".x")) == pytest.approx(4 / 7)


def test_macro_f1_leaves_out_labels_that_never_occur() -> None:
    assert macro_f1(table("x.."), table("x..")) == 1.0


def test_macro_f1_counts_a_label_that_was_claimed_and_never_true() -> None:
    assert macro_f1(table("xx."), table("x..")) == 0.5


def test_nothing_to_find_and_nothing_claimed_is_perfect() -> None:
    assert micro_f1(table("..", ".."), table("..", "..")) == 1.0
    assert macro_f1(table("..", ".."), table("..", "..")) == 1.0


def test_a_perfect_model_scores_one_and_a_wrong_one_zero() -> None:
    truth = table("x.", ".x")
    assert math.prod(scores(truth, truth).values()) == 1.0
    assert set(scores(~truth, truth).values()) == {0.0}
