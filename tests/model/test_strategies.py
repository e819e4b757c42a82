from dataclasses import dataclass
from inspect import signature

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.choosing.strategies import (
    STRATEGIES,
    balanced_margin,
    cardinality_margin,
    cosine_to_labelled,
    distance_to_labelled,
    entropy,
    least_confidence,
    margin,
    multilabel_margin,
    pearson_to_labelled,
    representativeness,
)
from model.types import Floats

THREE_WAYS_UNSURE = np.array(
    [
        [0.50, 0.50, 0.00, 0.00],  # a dead heat of two labels: the smallest margin
        [0.40, 0.34, 0.26, 0.00],  # the smallest maximum: the least confidence
        [0.46, 0.18, 0.18, 0.18],  # spread over all labels: the largest entropy
    ]
)


def on_circle(*degrees: float) -> Floats:
    """Unit vectors (n, 2) at these angles."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


TWO_PLACES = on_circle(0, 1, 2, 120, 121)
"""Rows 0, 1, 2 lie together; rows 3, 4 lie together, far away."""

TWENTY_PLACES = (10.0 * np.arange(20.0)[:, None] + np.array([-0.1, 0.0, 0.1])).reshape(60, 1)
"""Twenty far places of three rows: rows 1, 4, 7 ... are the middles."""

SAME_SHAPE = np.array([3.0, 2.0, 2.0]) / np.sqrt(17.0)
"""(1, 0, 0) plus a constant: correlation 1 with it, cosine 0.73."""
SAME_DIRECTION = np.array([0.96, 0.28, 0.0])
"""Correlation and cosine with (1, 0, 0): both 0.96."""


@dataclass(frozen=True)
class Case:
    """Candidates and the rows that the strategy must ask for, in this order."""

    asked: list[int]
    probs: Floats | None = None
    vectors: Floats | None = None
    labelled: Floats | None = None
    targets: Floats | None = None
    labelled_probs: Floats | None = None
    boundary: Floats | None = None


CASES = {
    # Three places: the largest has a label that the model is unsure of still, and waits. The more
    # undecided of the next two speaks for both, then comes the place of one.
    "variance": Case(
        [4, 5, 0],
        probs=np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.7, 0.3], [0.6, 0.4], [0.5, 0.5]]),
        vectors=np.eye(3)[[0, 0, 0, 1, 1, 2]],
        labelled=np.eye(3)[:1],
        targets=np.eye(2)[:1],
        labelled_probs=np.array([[0.5, 0.5]]),
    ),
    "least_confidence": Case([1, 2, 0], probs=THREE_WAYS_UNSURE),
    "margin": Case([0, 1, 2], probs=THREE_WAYS_UNSURE),
    "entropy": Case([2, 1, 0], probs=THREE_WAYS_UNSURE),
    "multilabel_margin": Case([1, 2], probs=np.array([[0.9, 0.1], [0.5, 0.6], [0.5, 0.1]])),
    "k_center": Case([2, 1], vectors=on_circle(10, 90, 180), labelled=on_circle(0)),
    "k_center_cosine": Case([2, 1], vectors=on_circle(10, 90, 180), labelled=on_circle(0)),
    "k_center_pearson": Case(
        [1], vectors=np.stack([SAME_SHAPE, SAME_DIRECTION]), labelled=np.array([[1.0, 0.0, 0.0]])
    ),
    # Rows 0, 1 and 2 are the most wanted, yet the far place has its turn before the second of them.
    "cluster_margin": Case(
        [1, 3],
        probs=np.array([[0.6, 0.4], [0.5, 0.5], [0.7, 0.3], [0.8, 0.2], [0.9, 0.1]]),
        vectors=TWO_PLACES,
    ),
    # Equal margins; label c has one example and a has eight: 1 / sqrt(2) against 1 / 3.
    "balanced_cluster_margin": Case(
        [1, 0],
        probs=np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]),
        vectors=on_circle(0, 90),
        targets=np.repeat(np.eye(3), [8, 8, 1], axis=0),
    ),
    # Row 4 is the least sure, and alone.
    "density_margin": Case(
        [0],
        probs=np.array([[0.55, 0.45], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.5, 0.5]]),
        vectors=on_circle(0, 1, 2, 3, 120),
    ),
    # Rows 0 and 1 are wanted and alike: after the first of them comes what is unlike them.
    "badge": Case(
        [1, 2],
        probs=np.array([[0.51, 0.49], [0.5, 0.5], [0.55, 0.45]]),
        vectors=on_circle(0, 0, 180),
    ),
    # Examples have one label: to predict none of two or both is as odd, the margin decides.
    "cardinality_margin": Case(
        [2, 1],
        probs=np.array([[0.9, 0.4], [0.9, 0.6], [0.4, 0.3]]),
        vectors=on_circle(0, 90, 180),
        targets=np.eye(2),
    ),
    # One task for each of the two points, then the second nearest of each.
    "query_synthesis": Case(
        [2, 3, 1, 0], vectors=on_circle(0, 30, 50, 80), boundary=on_circle(45, 90)
    ),
}
"""`random` and `cluster_centres` have no single right order; each has its own test."""


def ask(name: str, case: Case, k: int, seed: int = 0) -> list[int]:
    """The first k rows that a strategy asks for."""
    strategy = STRATEGIES[name]
    rng = np.random.default_rng(seed)
    wanted = signature(strategy.measure).parameters
    nearness = None
    if case.vectors is not None and case.boundary is not None:
        nearness = case.vectors @ case.boundary.T

    def measured(probs: Floats | None, vectors: Floats | None) -> Floats:
        arrays_at_hand = {
            "probs": probs,
            "vectors": vectors,
            "labelled": case.labelled,
            "targets": case.targets,
            "nearness": nearness,
            "rng": rng,
        }
        return strategy.measure(**{each: arrays_at_hand[each] for each in wanted})

    priority = measured(case.probs, case.vectors)
    vectors = np.zeros((len(priority), 1)) if case.vectors is None else case.vectors
    more: dict[str, Floats | None] = {}
    if "labelled_priority" in signature(strategy.choose).parameters:
        more["labelled"] = case.labelled
        more["labelled_priority"] = measured(case.labelled_probs, case.labelled)
    if "nearness" in signature(strategy.choose).parameters:
        more["nearness"] = nearness
    rows: list[int] = strategy.choose(priority, vectors, k, rng, **more).tolist()
    return rows


def test_every_strategy_has_a_case() -> None:
    assert {*CASES, "random", "cluster_centres"} == set(STRATEGIES)


@pytest.mark.parametrize("name", CASES)
def test_a_strategy_asks_for_the_right_rows(name: str) -> None:
    case = CASES[name]
    assert ask(name, case, len(case.asked)) == case.asked


def test_balanced_margin_weighs_a_label_by_its_examples() -> None:
    probs = np.array([[0.6, 0.4], [0.4, 0.6]])
    targets = np.repeat(np.eye(2), [0, 8], axis=0)
    expected = [0.8 * (0.6 + 0.4 / 3), 0.8 * (0.4 + 0.6 / 3)]
    assert balanced_margin(probs, targets).tolist() == pytest.approx(expected)


def test_balanced_margin_of_labels_with_equal_numbers_is_the_margin() -> None:
    targets = np.repeat(np.eye(4), 5, axis=0)
    np.testing.assert_allclose(
        balanced_margin(THREE_WAYS_UNSURE, targets), margin(THREE_WAYS_UNSURE)
    )


def test_cardinality_margin_of_an_expected_number_of_labels_is_nothing() -> None:
    probs = np.array([[0.9, 0.1], [0.9, 0.8]])
    found = cardinality_margin(probs, np.eye(2))
    assert found.tolist() == pytest.approx([0.0, np.sqrt(0.9)])


def test_badge_asks_for_equal_rows_when_nothing_else_is_left() -> None:
    same = Case([], probs=np.full((4, 2), 0.5), vectors=on_circle(0, 0, 0, 0))
    assert sorted(ask("badge", same, 4)) == [0, 1, 2, 3]


def test_random_asks_for_each_row_equally_often() -> None:
    case = Case([], vectors=np.zeros((3, 1)))
    first = [ask("random", case, 1, seed)[0] for seed in range(300)]
    assert np.bincount(first, minlength=3).min() > 70


def test_cluster_centres_asks_for_the_middle_of_each_place() -> None:
    asked = ask("cluster_centres", Case([], vectors=TWENTY_PLACES), 20)
    assert sorted(asked) == list(range(1, 60, 3))


def test_pearson_overlooks_a_constant_shift_and_cosine_does_not() -> None:
    vectors, labelled = np.stack([SAME_SHAPE, SAME_DIRECTION]), np.array([[1.0, 0.0, 0.0]])
    pearson, cosine = pearson_to_labelled(vectors, labelled), cosine_to_labelled(vectors, labelled)
    correlation = np.corrcoef(SAME_DIRECTION, labelled[0])[0, 1]
    assert pearson.tolist() == pytest.approx([0.0, 1 - correlation])
    assert cosine.tolist() == pytest.approx([1 - 3 / np.sqrt(17), 0.04])


def test_least_confidence_values() -> None:
    assert least_confidence(THREE_WAYS_UNSURE).tolist() == pytest.approx([0.5, 0.6, 0.54])


def test_margin_values() -> None:
    assert margin(THREE_WAYS_UNSURE).tolist() == pytest.approx([1.0, 0.94, 0.72])


def test_margin_of_one_label_is_its_doubt() -> None:
    assert margin(np.array([[0.9], [0.6]])).tolist() == pytest.approx([0.1, 0.4])


def test_entropy_values() -> None:
    """A certain answer has none, a dead heat ln 2, four equal labels ln 4; 0 ln 0 counts as 0."""
    probs = np.array([[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    assert entropy(probs).tolist() == pytest.approx([0.0, np.log(2), np.log(4)], abs=1e-9)


def test_multilabel_margin_values() -> None:
    """-(0.4 + 0.2 + 0 + 0.4 + 0.3 + 0.24); the smaller sum of |p - 0.5| is asked sooner."""
    probs = np.array([[0.1, 0.3, 0.5, 0.1, 0.8, 0.74], [0.4, 0.5, 0.5, 0.5, 0.6, 0.5]])
    assert multilabel_margin(probs).tolist() == pytest.approx([-1.54, -0.2])
    assert ask("multilabel_margin", Case([], probs=probs), 2) == [1, 0]


def test_distances_to_the_nearest_labelled_vector() -> None:
    vectors, labelled = on_circle(0, 90, 180), on_circle(0, 60)
    cosine = cosine_to_labelled(vectors, labelled)
    assert cosine.tolist() == pytest.approx([0.0, 1 - np.sqrt(3) / 2, 1.5])
    euclidean = distance_to_labelled(vectors, labelled)
    assert euclidean.tolist() == pytest.approx([0.0, 2 * np.sin(np.radians(15)), np.sqrt(3)])


def test_without_labels_every_vector_is_as_far_as_another() -> None:
    vectors, nothing = on_circle(0, 90), np.zeros((0, 2))
    for measure in (distance_to_labelled, cosine_to_labelled, pearson_to_labelled):
        first, second = measure(vectors, nothing).tolist()
        assert first == second > 0


def test_rounding_never_makes_a_distance_undefined() -> None:
    """In float32 the cosine of a vector with itself can exceed 1; its root would be nan."""
    vectors = np.random.default_rng(0).normal(size=(200, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (vectors @ vectors.T).max() > 1.0
    assert distance_to_labelled(vectors, vectors).max() < 1e-2


def test_representativeness_is_minus_the_distance_to_the_centre_of_the_place() -> None:
    priority = representativeness(TWENTY_PLACES, np.random.default_rng(0))
    np.testing.assert_allclose(priority, np.tile([-0.1, 0.0, -0.1], 20), atol=1e-5)


UNIT = st.floats(0, 1)


@given(arrays(np.float64, (5, 4), elements=UNIT), st.permutations(range(4)))
@settings(deadline=None)
def test_uncertainty_does_not_depend_on_the_order_of_labels(
    probs: Floats, order: list[int]
) -> None:
    for measure in (least_confidence, margin, entropy, multilabel_margin):
        np.testing.assert_allclose(measure(probs[:, order]), measure(probs), atol=1e-12)


@given(arrays(np.float64, (5, 4), elements=st.floats(0.01, 1)))
@settings(deadline=None)
def test_uncertainty_stays_in_its_documented_range(raw: Floats) -> None:
    """And it is never above that of equal probabilities."""
    probs = raw / raw.sum(axis=1, keepdims=True)
    equal = np.full((1, 4), 0.25)
    for measure in (least_confidence, margin, entropy):
        priority = measure(probs)
        assert priority.min() >= 0.0
        assert priority.max() <= measure(equal)[0] + 1e-9
    sigmoids = multilabel_margin(raw)
    assert sigmoids.min() >= -2.0
    assert sigmoids.max() <= 0.0
