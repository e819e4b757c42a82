"""Promises on pools of which all answers are known: they are broken as rarely as is said, whatever
the probabilities claim and whoever labelled what."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from model.finishing.evidence import is_proved
from model.finishing.goal import Goal
from model.finishing.promise import NEVER, slices_of
from tests.model.audited import (
    Pool,
    asked_pool,
    first_by_lot,
    head_of,
    multiple_pool,
    single_pool,
)

RUNS = 100


def flat_pool(seed: int, size: int, audits: int, wrong: int, surest: float = 1.0) -> Pool:
    """Probabilities from .5 up to `surest` that say nothing: exactly `wrong` answers are wrong."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.5, surest, size)
    right = rng.permutation(size) >= wrong
    lots = rng.random(size)
    return Pool(
        head_of("single", ("a", "b")),
        np.stack([sure, 1.0 - sure], axis=1),
        np.stack([right, ~right], axis=1),
        lots,
        first_by_lot(lots, audits),
    )


def kept_and_broken(make: Callable[[int], Pool], goal: Goal) -> tuple[int, int]:
    """How many promises are made in RUNS pools, and how many of these are false."""
    found = [one for seed in range(RUNS) for one in make(seed).precisions(goal) if one is not None]
    broken = sum(precision < goal.precision - 1e-9 for precision in found)
    return len(found) - broken, broken


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "goal"),
    [
        pytest.param(single_pool, Goal(0.9), id="single"),
        pytest.param(single_pool, Goal(0.9, each_label=True), id="single, each label"),
        pytest.param(multiple_pool, Goal(0.8), id="multiple"),
        pytest.param(multiple_pool, Goal(0.5, whole=True), id="multiple, whole"),
        pytest.param(multiple_pool, Goal(0.8, each_label=True), id="multiple, each label"),
        pytest.param(asked_pool, Goal(0.75), id="two questions"),
        pytest.param(asked_pool, Goal(0.75, each_label=True), id="two questions, each label"),
    ],
)
def test_few_promises_are_broken(make: Callable[[int], Pool], goal: Goal) -> None:
    """Of each question, or label, though the model is much too sure of itself."""
    kept, broken = kept_and_broken(make, goal)
    assert broken <= (1.0 - goal.confidence) * RUNS * len(make(0).promises(goal))
    assert kept >= 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "goal"),
    [
        pytest.param(lambda seed: flat_pool(seed, 2_000, 300, 215), Goal(0.9), id="flat"),
        pytest.param(lambda seed: flat_pool(seed, 4_000, 600, 205), Goal(0.95), id="just too bad"),
        pytest.param(lambda seed: flat_pool(seed, 60, 50, 7), Goal(0.85, 0.8), id="tiny"),
        pytest.param(lambda seed: flat_pool(seed, 800, 760, 84), Goal(0.9), id="nearly all"),
        pytest.param(
            lambda seed: rounded(flat_pool(seed, 2_000, 300, 215)), Goal(0.9), id="many alike"
        ),
    ],
)
def test_few_promises_are_broken_where_each_would_be(
    make: Callable[[int], Pool], goal: Goal
) -> None:
    """Probabilities say nothing, and a little more is wrong than the goal allows."""
    _, broken = kept_and_broken(make, goal)
    assert broken <= (1.0 - goal.confidence) * RUNS


def rounded(pool: Pool) -> Pool:
    return replace(pool, probs=np.round(pool.probs, 1))


def test_what_the_model_is_sure_of_and_wrong_about_is_not_given_away() -> None:
    """Above .9 a third of the answers is wrong, below none: no threshold reaches the goal."""
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1.0, 2_000)
    right = (sure < 0.9) | (rng.random(2_000) < 0.67)
    lots = rng.random(2_000)
    pool = Pool(
        head_of("single", ("a", "b")),
        np.stack([sure, 1.0 - sure], axis=1),
        np.stack([right, ~right], axis=1),
        lots,
        first_by_lot(lots, 600),
    )
    (promise,) = pool.promises(Goal(0.97))
    assert promise.threshold == NEVER
    assert (promise.sample, promise.tasks, promise.low) == (0, 0, 0.0)


def test_a_promise_counts_what_proves_it() -> None:
    pool = single_pool(0, too_sure=1.0)
    (promise,) = pool.promises(Goal(0.9))
    above = pool.probs.max(axis=1) >= promise.threshold
    is_right = pool.truth[np.arange(len(pool.lots)), pool.probs.argmax(axis=1)]
    assert promise.sample == (above & pool.labelled).sum()
    assert promise.errors == (above & pool.labelled & ~is_right).sum()
    assert promise.tasks == (above & ~pool.labelled).sum()
    assert 0.9 <= promise.low < 1.0 - promise.errors / promise.sample


def test_without_audit_labels_or_open_tasks_nothing_is_promised() -> None:
    pool = flat_pool(0, 100, 50, 0)
    for labelled in (np.zeros(100, np.bool_), np.ones(100, np.bool_)):
        (promise,) = replace(pool, labelled=labelled).promises(Goal(0.5))
        assert promise.threshold == NEVER


def test_labels_beyond_the_first_open_audit_task_prove_nothing() -> None:
    """Whoever labels what: of the audit tasks beyond the 40th by lot, somebody labelled just those
    that the model is right about."""
    pool = flat_pool(0, 2_000, 40, 400)
    chosen = pool.truth[:, 0] & (pool.lots < np.quantile(pool.lots, 0.5))
    first_open = pool.lots[~pool.labelled].min()
    biased = replace(pool, labelled=pool.labelled | (chosen & (pool.lots > first_open)))
    goal = Goal(0.85)
    assert biased.promises(goal)[0].threshold == NEVER
    # Had they been drawn by lot, they would have proved it.
    labels, wrong = biased.labelled.sum(), (biased.labelled & biased.truth[:, 1]).sum()
    assert is_proved(wrong, labels, (~biased.labelled).sum(), goal.precision, goal.confidence)


def test_each_threshold_has_a_sample_of_its_own() -> None:
    """An open audit task below the threshold takes nothing from the tasks above it."""
    pool = single_pool(0, too_sure=1.0)
    (before,) = pool.promises(Goal(0.9))
    surest = pool.probs.max(axis=1)
    below = pool.labelled & (surest < before.threshold)
    first = np.flatnonzero(below)[pool.lots[below].argmin()]
    labelled = pool.labelled & (np.arange(len(below)) != first)
    (after,) = replace(pool, labelled=labelled).promises(Goal(0.9))
    assert before.sample > 50
    assert after.sample > 50
    assert pool.lots[first] < np.sort(pool.lots)[20]


def test_more_audit_labels_are_expected_to_give_away_more() -> None:
    pool = single_pool(3, 2_000, 60, too_sure=1.0, spread=6.0)
    goal = Goal(0.9)
    (part,) = slices_of(pool.head, pool.known(), goal)
    expected = [part.expected(goal, extra) for extra in (10, 100, 400)]
    assert NEVER > expected[1] >= expected[2]
    assert expected[0] >= expected[1]
    assert part.likely(goal) < NEVER


def test_a_label_that_is_never_given_promises_nothing() -> None:
    pool = multiple_pool(0)
    never = replace(pool, probs=pool.probs * np.array([1.0, 1.0, 1.0, 0.0]))
    promises = never.promises(Goal(0.8, each_label=True))
    assert [promise.label for promise in promises] == [0, 1, 2, 3]
    assert promises[3].threshold == NEVER
    assert promises[0].threshold < NEVER
