import numpy as np

from model.coldstart import typical_first
from model.types import Floats

NONE = np.zeros((0, 1))
SIZES = np.array([[5.0], [9.0], [5.0], [1.0], [5.0], [9.0]])
"""Three regions: three examples at 5 (rows 0, 2, 4), two at 9 (1, 5), one at 1 (3)."""


def places_of(order: list[int], vectors: Floats) -> list[float]:
    return [float(vectors[row, 0]) for row in order]


def ask(vectors: Floats, labelled: Floats, k: int) -> list[int]:
    return typical_first(vectors, labelled, k, np.random.default_rng(0)).tolist()


def test_each_region_gets_a_turn_and_large_regions_come_first() -> None:
    order = ask(SIZES, NONE, 6)
    assert places_of(order, SIZES) == [5.0, 9.0, 1.0, 5.0, 9.0, 5.0]
    assert sorted(order) == [0, 1, 2, 3, 4, 5]


def test_a_region_that_holds_a_label_waits_one_turn() -> None:
    order = ask(SIZES, np.array([[5.2]]), 4)
    assert places_of(order, SIZES) == [9.0, 1.0, 5.0, 9.0]


def test_a_region_with_two_labels_waits_two_turns() -> None:
    order = ask(SIZES, np.array([[5.2], [4.8]]), 6)
    assert places_of(order, SIZES) == [9.0, 1.0, 9.0, 5.0, 5.0, 5.0]


def test_the_example_next_to_the_centre_speaks_for_its_region() -> None:
    """Twenty far regions of three examples: the middle one of each is asked before any other."""
    middles = 10.0 * np.arange(20.0)
    vectors = (middles[:, None] + np.array([-0.1, 0.0, 0.1])).reshape(60, 1)
    order = ask(vectors, NONE, 60)
    assert sorted(places_of(order[:20], vectors)) == middles.tolist()
    assert sorted(order) == list(range(60))


def test_a_pool_of_one() -> None:
    assert ask(np.array([[3.0]]), NONE, 50) == [0]
