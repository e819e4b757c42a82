"""The rows of a pool that are nearest to a query."""

import numpy as np
import pytest

from model.choosing.nearest import middle, nearest

CENTRE = np.array([10.0, 10.0])
AROUND = CENTRE + np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [-1.0, 0.0], [5.0, 0.0]])


def test_directions_count_from_the_centre() -> None:
    rows, cosines = nearest(AROUND, CENTRE + np.array([4.0, 0.0]), CENTRE, 4)
    assert rows.tolist() == [0, 4, 2, 1], "of equally near ones the first comes first"
    assert cosines == pytest.approx([1.0, 1.0, 0.7071, 0.0], abs=1e-4)


def test_all_rows_where_more_are_asked_for_than_there_are() -> None:
    rows, _ = nearest(AROUND, CENTRE + np.array([0.0, -1.0]), CENTRE, 99)
    assert rows.tolist() == [0, 3, 4, 2, 1]


def test_nothing_of_nothing() -> None:
    rows, cosines = nearest(np.zeros((0, 2)), CENTRE, CENTRE, 5)
    assert rows.tolist() == [] and cosines.tolist() == []
    assert nearest(AROUND, CENTRE, CENTRE, 0)[0].tolist() == []


def test_a_query_in_the_centre_is_near_to_nothing() -> None:
    rows, cosines = nearest(AROUND, CENTRE, CENTRE, 2)
    assert rows.tolist() == [0, 1] and cosines.tolist() == [0.0, 0.0]


def test_a_large_pool_is_searched_in_chunks() -> None:
    pool = np.tile(AROUND, (5000, 1))
    pool[20_001] = CENTRE + np.array([0.9, -0.1])
    rows, _ = nearest(pool, CENTRE + np.array([9.0, -1.0]), CENTRE, 1)
    assert rows.tolist() == [20_001]


def test_the_middle_of_examples_counts_each_direction_alike() -> None:
    rows, cosines = nearest(AROUND, middle(AROUND[[1, 4]], CENTRE), CENTRE, 1)
    assert rows.tolist() == [2] and cosines == pytest.approx([1.0], abs=1e-6)
