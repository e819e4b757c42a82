import numpy as np

from model.choosing.coldstart import one_per_region
from model.types import Floats


def on_circle(*degrees: float) -> Floats:
    """Unit vectors (n, 2) at these angles."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


NONE = on_circle()
REGIONS = np.array([0, 120, 0, 240, 0, 120])
"""Three examples at 0 degrees (rows 0, 2, 4), two at 120 (rows 1, 5), one at 240 (row 3)."""


def ask(vectors: Floats, labelled: Floats, k: int) -> list[int]:
    """Rows of `vectors` to ask for, when the vectors `labelled` are in the pool as well."""
    pool = np.concatenate([vectors, labelled])
    is_labelled = np.arange(len(pool)) >= len(vectors)
    rows: list[int] = one_per_region(pool, is_labelled, k, np.random.default_rng(0)).tolist()
    return rows


def regions_asked(labelled: Floats, k: int) -> list[int]:
    regions: list[int] = REGIONS[ask(on_circle(*REGIONS), labelled, k)].tolist()
    return regions


def test_each_region_gets_a_turn_and_large_regions_come_first() -> None:
    assert regions_asked(NONE, 6) == [0, 120, 240, 0, 120, 0]


def test_a_region_that_holds_a_label_waits_one_turn() -> None:
    assert regions_asked(on_circle(0), 4) == [120, 240, 0, 120]


def test_a_region_with_two_labels_waits_two_turns() -> None:
    assert regions_asked(on_circle(0, 0), 6) == [120, 240, 120, 0, 0, 0]


def test_a_region_is_spoken_for_by_any_of_its_examples() -> None:
    """Thirty regions of three examples: each region once, and not always by its middle one."""
    places = 12.0 * np.arange(30.0)
    angles = (places[:, None] + np.array([-1.0, 0.0, 1.0])).ravel()
    order = np.array(ask(on_circle(*angles), NONE, 90))
    assert sorted(order[:30] // 3) == list(range(30))
    assert set(order[:30] % 3) == {0, 1, 2}
    assert sorted(order) == list(range(90))


def test_a_pool_of_one() -> None:
    assert ask(on_circle(45), NONE, 50) == [0]
