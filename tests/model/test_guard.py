import numpy as np
import pytest

from model.choosing.guard import ENOUGH, PRIOR_LABELS, random_share, skill
from model.types import Bools


def truth(*labels: int, of: int = 2) -> Bools:
    """One label an example, as an array (m, c)."""
    return np.eye(of, dtype=np.bool_)[list(labels)]


HALVES = truth(*[0, 1] * 20)


def test_a_perfect_model_has_all_skill() -> None:
    assert skill(HALVES.astype(float), HALVES) == 1.0


def test_knowing_the_frequencies_alone_is_no_skill() -> None:
    """Each of 40 examples, 20 a label: the others have 19.5 / 40 of its own label."""
    assert skill(np.full((40, 2), 0.5), HALVES) == pytest.approx(1 - 0.5 / (2 * (20.5 / 40) ** 2))
    assert abs(skill(np.full((40, 2), 0.5), HALVES)) < 0.1


def test_a_model_that_is_sure_and_wrong_has_less_than_none() -> None:
    assert skill(1.0 - HALVES, HALVES) < -1


def test_a_rare_label_is_not_held_impossible() -> None:
    rare = truth(0, 0, 0, 1)
    assert np.isfinite(skill(np.full((4, 2), 0.5), rare))


def test_several_labels_and_none() -> None:
    several = np.array([[True, True], [False, False], [True, False], [False, False]] * 10)
    assert skill(several.astype(float), several) == 1.0
    assert skill(np.full(several.shape, several.mean(axis=0)), several) < 0.1


def test_skill_leaves_all_tasks_to_the_strategy() -> None:
    assert random_share(HALVES * 0.8 + 0.1, HALVES) == 0.0


def test_without_skill_nearly_all_tasks_are_random() -> None:
    share = random_share(np.full((40, 2), 0.5), HALVES)
    of_the_skill = 40 * skill(np.full((40, 2), 0.5), HALVES) + PRIOR_LABELS * ENOUGH
    assert share == pytest.approx(1 - of_the_skill / (40 + PRIOR_LABELS) / ENOUGH)
    assert 0.7 < share < 1


def test_a_handful_of_labels_only_hints() -> None:
    """Two wrong answers are bad luck as often as not."""
    few, many = truth(0, 1), truth(*[0, 1] * 20)
    assert random_share(np.full((2, 2), 0.5), few) < random_share(np.full((40, 2), 0.5), many)


@pytest.mark.parametrize("m", [0, 1])
def test_hardly_any_label_says_nothing(m: int) -> None:
    assert random_share(np.full((m, 2), 0.5), HALVES[:m]) == 0.0
