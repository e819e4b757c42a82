"""Labels that the model doubts, and which ones it confuses."""

import numpy as np
import pytest

from model.measuring.belief import LEAST_BELIEF, belief, cross_validated
from model.measuring.review import (
    REPEATS,
    Confusion,
    confusions,
    doubts,
    half_trained,
    span_doubts,
    verdicts,
)

LABELS = ("a", "b", "c")


def test_a_wrong_label_among_clear_ones_is_a_mistake_and_one_between_them_is_hard() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 20)
    vectors = rng.normal(0.0, 0.1, (40, 4)).astype(np.float32)
    vectors[np.arange(40), truth] += 1.0
    vectors[20, :2] = vectors[20, :2].mean()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = truth.copy()
    given[7] = 1
    targets = np.eye(2, dtype=np.float32)[given]
    probs, beside = half_trained(vectors, targets, "single", ("a", "b"), 0, vectors[:3])
    assert probs.shape == (REPEATS, 40, 2)
    assert (beside.argmax(axis=1) == 0).all(), "others are judged by the same heads"
    assert beside.sum(axis=1) == pytest.approx(1.0)
    found = verdicts(probs, targets, "single")
    assert np.flatnonzero(found.wrong).tolist() == [7]
    assert np.flatnonzero(found.hard).tolist() == [20]
    assert found.doubt.argmax() == 7


def test_what_always_speaks_against_a_label_is_a_mistake_and_what_changes_is_hard() -> None:
    """Of three examples with the label a; the last one is believed."""
    probs = np.array(
        [
            [[0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.9, 0.1, 0.0]],
            [[0.1, 0.0, 0.9], [0.7, 0.3, 0.0], [0.8, 0.2, 0.0]],
        ]
    )
    targets = np.array([[1.0, 0.0, 0.0]] * 3)
    found = verdicts(probs, targets, "single")
    assert found.doubt == pytest.approx([0.85, 0.45, 0.15])
    assert found.wrong.tolist() == [True, False, False]
    assert found.hard.tolist() == [False, True, False]
    # In an order, b is beside a: only c is a mistake for a, and nothing is always one.
    assert verdicts(probs, targets, "ordered").wrong.tolist() == [False, False, False]
    assert verdicts(probs, targets, "ordered").hard.tolist() == [True, False, False]


def test_of_several_labels_each_may_be_the_mistake() -> None:
    probs = np.array([[[0.9, 0.1], [0.9, 0.6]], [[0.8, 0.2], [0.9, 0.3]]])
    targets = np.array([[0.0, 0.0], [1.0, 0.0]])
    found = verdicts(probs, targets, "multiple")
    assert found.wrong.tolist() == [True, False]
    assert found.hard.tolist() == [False, True]


@pytest.mark.parametrize(
    ("kind", "probs", "targets", "expected"),
    [
        ("single", [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], [[1, 0, 0], [0, 1, 0]], [0.3, 0.7]),
        ("multiple", [[0.9, 0.2, 0.4], [0.9, 0.9, 0.0]], [[1, 0, 0], [1, 0, 0]], [0.4, 0.9]),
    ],
)
def test_doubt_is_what_speaks_against_the_given_labels(
    kind: str, probs: list[list[float]], targets: list[list[int]], expected: list[float]
) -> None:
    found = doubts(np.array(probs), np.array(targets, dtype=float), kind)  # type: ignore[arg-type]
    assert found == pytest.approx(expected)


def test_confusions_are_pairs_of_a_missed_and_a_claimed_label() -> None:
    probs = np.array([[0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7], [0.9, 0.0, 0.1]])
    targets = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]], dtype=float)
    assert confusions(probs, targets, "single", LABELS) == [
        Confusion("a", "b", 2),
        Confusion("a", "c", 1),
    ]


def test_with_several_labels_one_may_be_missed_or_claimed_for_nothing() -> None:
    probs = np.array([[0.9, 0.8, 0.1], [0.1, 0.1, 0.1], [0.9, 0.1, 0.1]])
    targets = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 0]], dtype=float)
    assert sorted(confusions(probs, targets, "multiple", LABELS), key=lambda one: one.given) == [
        Confusion("", "b", 1),
        Confusion("c", "", 1),
    ]


def test_a_text_is_doubted_as_much_as_its_least_believed_tag() -> None:
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [1.0, 0.0]], np.float32)
    targets = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], np.float32)
    assert span_doubts(probs, targets, np.array([0, 2, 4])) == pytest.approx([0.8, 0.4])


def test_belief_is_the_log_probability_of_what_was_answered() -> None:
    probs = np.array([[0.8, 0.2], [0.4, 0.6], [1.0, 0.0]])
    targets = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    one = belief(probs, targets, "single")
    np.testing.assert_allclose(one, np.log([0.8, 0.4, LEAST_BELIEF]))
    several = belief(probs, targets, "multiple")
    np.testing.assert_allclose(several, np.log([0.8 * 0.8, 0.4 * 0.4, LEAST_BELIEF * LEAST_BELIEF]))


def test_heads_that_know_the_names_believe_a_label_that_they_have_not_seen() -> None:
    """Each label has one example, so that the head of the others has never seen it."""
    vectors = np.eye(6, dtype=np.float32)
    targets, labels = np.eye(6, dtype=np.float32), tuple("abcdef")
    without = cross_validated(vectors, targets, "single", labels, 0)
    named = cross_validated(vectors, targets, "single", labels, 0, names=vectors)
    assert (without.argmax(axis=1) != np.arange(6)).all()
    assert (named.argmax(axis=1) == np.arange(6)).all()
