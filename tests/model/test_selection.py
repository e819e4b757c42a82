import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.choosing.selection import (
    ROWS_PER_CENTRE,
    cluster_centres,
    farthest_first,
    nearest_centre,
    one_per_cluster,
    squared_distances,
    top,
)
from model.types import Floats

TWO_PLACES = np.array([[0.0], [0.1], [0.2], [9.0], [9.1]])
"""Rows 0, 1, 2 lie together; rows 3, 4 lie together, far away."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def column(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)[:, None]


def along_the_line(vectors: Floats, labelled: Floats) -> Floats:
    result: Floats = np.abs(vectors - labelled.T).min(axis=1)
    return result


def test_top_takes_the_most_wanted_first() -> None:
    priority = np.array([0.3, 0.9, 0.1, 0.5])
    assert top(priority, np.zeros((4, 1)), 3, rng()).tolist() == [1, 3, 0]


def test_top_does_not_prefer_low_row_numbers_among_equals() -> None:
    """Imported tasks are in the order of their file, often one class after the other."""
    first = {int(top(np.ones(4), np.zeros((4, 1)), 1, rng(seed))[0]) for seed in range(60)}
    assert first == {0, 1, 2, 3}


def test_one_per_cluster_visits_another_place_before_the_second_best() -> None:
    priority = np.array([0.9, 0.8, 0.7, 0.2, 0.3])
    assert one_per_cluster(priority, TWO_PLACES, 2, rng()).tolist() == [0, 4]


def test_one_per_cluster_starts_with_the_most_wanted_of_the_larger_place() -> None:
    """The paper visits small clusters first; a renewed queue shows only its first task."""
    priority = np.array([0.1, 0.9, 0.2, 0.8, 0.0])
    assert one_per_cluster(priority, TWO_PLACES, 2, rng()).tolist() == [1, 3]


def test_one_per_cluster_looks_only_at_ten_candidates_a_place() -> None:
    """A far place is left out when its rows are not among the most wanted."""
    vectors = np.concatenate([np.linspace(0.0, 1.0, 25), np.full(5, 9.0)])[:, None]
    priority = np.concatenate([np.linspace(1.0, 0.9, 25), np.full(5, 0.1)])
    chosen = one_per_cluster(priority, vectors, 2, rng())
    assert chosen[0] == 0
    assert chosen.max() < 20


def test_one_per_cluster_returns_a_small_pool_in_order_of_priority() -> None:
    priority = np.array([0.1, 0.2, 0.5, 0.4, 0.3])
    assert one_per_cluster(priority, TWO_PLACES, 9, rng()).tolist() == [2, 3, 4, 1, 0]


def test_one_per_cluster_fills_its_places_when_all_texts_are_the_same() -> None:
    priority = np.arange(30.0)
    chosen = one_per_cluster(priority, np.ones((30, 2)), 3, rng())
    assert chosen.tolist() == [29, 28, 27]


def test_farthest_first_counts_a_chosen_row_as_labelled() -> None:
    """A label stands at 0: ask 10, then 5 (9 is only 1 from 10), then the two that remain."""
    vectors = column(1.0, 5.0, 9.0, 10.0)
    priority = np.array([1.0, 5.0, 9.0, 10.0])
    chosen = farthest_first(priority, vectors, 2, rng(), distance=along_the_line)
    assert chosen.tolist() == [3, 1]


def test_farthest_first_takes_each_row_once_among_duplicates() -> None:
    chosen = farthest_first(np.zeros(4), np.zeros((4, 1)), 9, rng(), distance=along_the_line)
    assert sorted(chosen.tolist()) == [0, 1, 2, 3]


def test_farthest_first_starts_anywhere_when_nothing_is_labelled() -> None:
    starts = {
        int(farthest_first(np.ones(3), column(1, 2, 3), 1, rng(s), distance=along_the_line)[0])
        for s in range(60)
    }
    assert starts == {0, 1, 2}


def test_cluster_centres_are_the_means_of_the_places() -> None:
    centres = cluster_centres(TWO_PLACES, 2, rng())
    assert sorted(centres[:, 0].tolist()) == pytest.approx([0.1, 9.05])


def test_there_are_no_more_centres_than_distinct_vectors() -> None:
    """k-means warns about empty clusters otherwise, and warnings hide what matters."""
    centres = cluster_centres(np.array([[1.0], [1.0], [1.0], [4.0]]), 3, rng())
    assert sorted(centres[:, 0].tolist()) == [1.0, 4.0]


def test_cluster_centres_of_a_large_pool_come_from_a_sample() -> None:
    vectors = np.tile(np.array([[0.0], [9.0]]), (ROWS_PER_CENTRE + 100, 1))
    centres = cluster_centres(vectors, 2, rng())
    assert sorted(centres[:, 0].tolist()) == pytest.approx([0.0, 9.0], abs=1e-9)


def test_nearest_centre_of_each_vector() -> None:
    assert nearest_centre(column(-2.0, 3.9, 4.1, 50.0), column(8.0, 0.0)).tolist() == [1, 1, 0, 0]


def test_squared_distances_leave_out_the_length_of_the_vector() -> None:
    vectors, centres = np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    assert squared_distances(vectors, centres).tolist() == [[-1.0, 1.0, 3.0]]


SMALL = st.floats(-10, 10)


@given(arrays(np.float64, (4, 3), elements=SMALL), arrays(np.float64, (2, 3), elements=SMALL))
@settings(deadline=None)
def test_squared_distances_with_the_length_are_euclidean(vectors: Floats, centres: Floats) -> None:
    whole = squared_distances(vectors, centres) + (vectors**2).sum(axis=1, keepdims=True)
    expected = ((vectors[:, None] - centres[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(whole, expected, atol=1e-9)
