import numpy as np
import pytest

from model.heads.deciding import decisions
from model.heads.thresholds import LOWEST, best_expected_f1, fit_thresholds
from model.measuring.metrics import macro_f1


def test_the_best_expected_f1_by_hand() -> None:
    """All probabilities sum to 1.6. Claiming the one likeliest of three: 2 * 0.9 / (1 + 1.6) =
    0.69; two: 2 * 1.5 / 3.6 = 0.83; three: 2 * 1.6 / 4.6 = 0.70."""
    found = best_expected_f1(np.array([[0.1], [0.9], [0.6]]))
    np.testing.assert_allclose(found, [3.0 / 3.6])


def test_a_threshold_is_half_the_f1_that_it_reaches() -> None:
    probs = np.array([[0.1, 0.2], [0.9, 0.2], [0.6, 0.8]])
    second = max(2 * 0.8 / 2.2, 2 * 1.0 / 3.2, 2 * 1.2 / 4.2)
    found = fit_thresholds(probs, np.array([5, 5]))
    np.testing.assert_allclose(found, [1.5 / 3.6, second / 2])


def test_labels_that_are_certain_are_claimed_from_one_half_on() -> None:
    probs = np.array([[1.0], [0.0], [1.0]])
    assert fit_thresholds(probs, np.array([2])).tolist() == [0.5]


def test_a_rare_label_is_not_lost() -> None:
    """It never reaches one half, and its likeliest examples are still worth claiming."""
    rare = np.concatenate([np.full(4, 0.4), np.full(96, 0.01)])[:, None]
    threshold = fit_thresholds(rare, np.array([3]))
    assert 0.15 < threshold[0] < 0.4
    assert decisions(rare, "multiple", threshold).sum() == 4


def test_a_rare_label_that_cannot_be_told_apart_is_not_claimed_everywhere() -> None:
    """The F1 of a label of constant probability is largest when all examples are claimed."""
    flat = np.full((50, 1), 0.1)
    assert fit_thresholds(flat, np.array([5])).tolist() == [LOWEST]
    assert not decisions(flat, "multiple", fit_thresholds(flat, np.array([5]))).any()


def test_a_label_without_any_example_stays_at_one_half() -> None:
    probs = np.full((50, 2), 0.1)
    assert fit_thresholds(probs, np.array([0, 1])).tolist() == [0.5, LOWEST]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_small_pools_have_thresholds_in_range(n: int) -> None:
    probs = np.random.default_rng(n).random((n, 20))
    thresholds = fit_thresholds(probs, np.ones(20, np.int64))
    assert thresholds.min() >= LOWEST
    assert thresholds.max() <= 0.5


def test_an_empty_pool_changes_nothing() -> None:
    assert fit_thresholds(np.zeros((0, 2)), np.array([3, 3])).tolist() == [0.5, 0.5]


def test_labels_do_not_disturb_each_other() -> None:
    probs = np.random.default_rng(0).random((30, 3))
    positives = np.array([4, 0, 9])
    apart = [fit_thresholds(probs[:, [c]], positives[[c]])[0] for c in range(3)]
    assert fit_thresholds(probs, positives).tolist() == apart


def test_half_precision_probabilities_do_not_spoil_the_sums() -> None:
    """A running sum of 100,000 half-precision numbers stops growing at 2,048."""
    probs = np.random.default_rng(0).random((100_000, 1)) ** 8
    exact = fit_thresholds(probs, np.array([9]))
    rounded = fit_thresholds(probs.astype(np.float16), np.array([9]))
    np.testing.assert_allclose(rounded, exact, atol=1e-3)


def test_truth_drawn_from_the_probabilities_is_found_better_than_with_one_half() -> None:
    rng = np.random.default_rng(0)
    probs = rng.beta(0.3, 2.0, size=(4000, 5))
    truth = rng.random(probs.shape) < probs
    fitted = decisions(probs, "multiple", fit_thresholds(probs, truth.sum(axis=0)))
    halved = decisions(probs, "multiple")
    assert macro_f1(fitted, truth) > macro_f1(halved, truth) + 0.05
