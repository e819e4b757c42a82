import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.choosing.strategies import undecided
from model.choosing.variance import (
    CANDIDATES_PER_PLACE,
    DECAY,
    FLAT,
    least_variance,
    taken_alone,
)
from model.types import Floats

CLUMPS = np.repeat(np.arange(3), [2, 6, 4])
"""Rows 0 and 1 lie together, rows 2 to 7, and rows 8 to 11, each clump on an axis of its own."""
ON_AXES = np.eye(3, dtype=np.float32)[CLUMPS]


def directions(n: int, d: int, seed: int) -> Floats:
    """Random unit vectors (n, d)."""
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    result: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return result


def ask(vectors: Floats, k: int, labelled: Floats | None = None) -> list[int]:
    """The rows to ask for while nothing is known about any label."""
    known = np.zeros((0, vectors.shape[1]), np.float32) if labelled is None else labelled
    rows: list[int] = least_variance(
        np.full(len(vectors), FLAT, np.float32),
        vectors,
        k,
        labelled=known,
        labelled_priority=np.full(len(known), FLAT, np.float32),
    ).tolist()
    return rows


def ratios_to_least(
    priority: Floats,
    vectors: Floats,
    chosen: list[int],
    labelled: Floats,
    labelled_priority: Floats,
) -> list[float]:
    """The variance that each chosen row leaves, over the least that any row could have left then: 1
    but for rounding. Each candidate's matrix is inverted, and the pool's variance computed."""
    pool, weights = vectors.astype(np.float64), priority.astype(np.float64)
    known, sure = labelled.astype(np.float64), labelled_priority.astype(np.float64)
    information = DECAY * np.eye(pool.shape[1]) + known.T @ (sure[:, None] * known)
    ratios = []
    for place, row in enumerate(chosen):
        left = np.full(len(pool), np.inf)
        for other in set(range(len(pool))) - set(chosen[:place]):
            more = weights[other] * np.outer(pool[other], pool[other])
            covariance = np.linalg.inv(information + more)
            left[other] = np.mean(
                [w * v @ covariance @ v for w, v in zip(weights, pool, strict=True)]
            )
        ratios.append(float(left[row] / left.min()))
        information += weights[row] * np.outer(pool[row], pool[row])
    return ratios


@given(st.integers(0, 2**16), st.integers(0, 5), st.integers(2, 6))
@settings(deadline=None, max_examples=30)
def test_each_row_leaves_the_least_variance_that_any_could(seed: int, known: int, d: int) -> None:
    vectors, labelled = directions(25, d, seed), directions(known, d, seed + 1)
    rng = np.random.default_rng(seed)
    priority = rng.uniform(0.02, 0.25, 25).astype(np.float32)
    sure = rng.uniform(0.02, 0.25, known).astype(np.float32)
    found = least_variance(priority, vectors, 6, labelled=labelled, labelled_priority=sure)
    assert len(set(found.tolist())) == 6
    assert max(ratios_to_least(priority, vectors, found.tolist(), labelled, sure)) < 1 + 1e-4


def test_what_a_row_takes_alone_is_the_variance_that_goes_with_its_label() -> None:
    """Of a pool that it need not be in."""
    rng = np.random.default_rng(0)
    vectors, pool, labelled = directions(4, 5, 0), directions(30, 5, 1), directions(3, 5, 2)
    priority, weights, sure = (rng.uniform(0.02, 0.25, n) for n in (4, 30, 3))
    found = taken_alone(vectors, priority, pool, weights, labelled=labelled, labelled_priority=sure)

    def variance(information: Floats) -> float:
        return float(np.mean(weights * np.sum(pool @ np.linalg.inv(information) * pool, axis=1)))

    known = DECAY * np.eye(5) + labelled.T @ (sure[:, None] * labelled)
    more = [known + w * np.outer(v, v) for w, v in zip(priority, vectors, strict=True)]
    expected = [variance(known) - variance(one) for one in more]
    assert found.tolist() == pytest.approx(expected, rel=1e-3)


def test_the_largest_clump_is_asked_first_and_each_before_any_again() -> None:
    first, second, third, *_ = CLUMPS[ask(ON_AXES, 12)].tolist()
    assert [first, second, third] == [1, 2, 0]


def test_not_where_a_label_already_is() -> None:
    assert CLUMPS[ask(ON_AXES, 2, labelled=ON_AXES[2:3])].tolist() == [2, 0]


def test_of_alike_rows_the_most_undecided_is_asked() -> None:
    """And a clump that the model is sure of waits for a smaller one."""
    priority = np.where(CLUMPS == 1, 0.001, 0.2)
    priority[10] = 0.25
    nothing = np.zeros((0, 3)), np.zeros(0)
    found = least_variance(priority, ON_AXES, 2, labelled=nothing[0], labelled_priority=nothing[1])
    assert found[0] == 10
    assert CLUMPS[found].tolist() == [2, 0]


@pytest.mark.parametrize("k", [12, 50])
def test_a_small_pool_is_asked_for_whole(k: int) -> None:
    assert sorted(ask(ON_AXES, k)) == list(range(12))


def test_among_equal_texts_each_is_asked_once() -> None:
    same = np.tile(directions(1, 4, 0), (30, 1))
    rows = ask(same, 10)
    assert len(set(rows)) == 10


def test_a_text_without_a_vector_comes_last_and_comes() -> None:
    """A pool of one task is its own centre, its vector zero."""
    vectors = np.concatenate([np.zeros((2, 3), np.float32), ON_AXES])
    rows = ask(vectors, 14)
    assert sorted(rows[-2:]) == [0, 1]
    assert ask(np.zeros((1, 3), np.float32), 5) == [0]


def test_nothing_to_ask_for() -> None:
    assert ask(np.zeros((0, 3), np.float32), 5) == []
    assert ask(ON_AXES, 0) == []


def test_a_model_that_is_sure_of_all_still_fills_its_places() -> None:
    found = least_variance(
        np.zeros(12), ON_AXES, 5, labelled=ON_AXES[:1], labelled_priority=np.zeros(1)
    )
    assert len(set(found.tolist())) == 5


def test_of_a_large_pool_the_best_alone_are_looked_at_and_measured_by_all() -> None:
    """One place looks at twenty rows. They must represent the pool, not the twenty."""
    n = 8 * CANDIDATES_PER_PLACE
    vectors, priority = directions(n, 5, 3), np.full(n, FLAT, np.float32)
    nothing = np.zeros((0, 5), np.float32), np.zeros(0, np.float32)
    (row,) = least_variance(priority, vectors, 1, labelled=nothing[0], labelled_priority=nothing[1])
    assert max(ratios_to_least(priority, vectors, [row], *nothing)) < 1 + 1e-4


def test_undecided_values() -> None:
    """Without labels p (1 - p), the mean over the labels. Later label a with three examples counts
    1 / sqrt(4) of it, and b, the rarest, all."""
    probs = np.array([[0.5, 0.5], [0.9, 0.1], [0.5, 0.0], [0.0, 0.5], [1.0, 0.0]])
    nothing, more = np.zeros((0, 2)), np.array([[1.0, 0.0]] * 3)
    assert undecided(probs, nothing).tolist() == pytest.approx([0.25, 0.09, 0.125, 0.125, 0.0])
    expected = [0.1875, 0.0675, 0.0625, 0.125, 0.0]
    assert undecided(probs, more).tolist() == pytest.approx(expected)


def test_undecided_of_the_rarest_label_counts_all_however_many_examples_it_has() -> None:
    probs = np.array([[0.5, 0.5]])
    targets = np.repeat(np.eye(2), [8, 3], axis=0)
    assert undecided(probs, targets).tolist() == pytest.approx([0.25 * (2 / 3 + 1) / 2])
