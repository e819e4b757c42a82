"""What audit labels prove: exact values, and that the proof is false as rarely as is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.finishing.evidence import errors_allowed, is_proved, log_evidence, lower_bound
from model.finishing.goal import Goal
from model.types import Ints

MANY = 1_000_000
"""A rest so large that drawing without replacement changes nothing."""

SAMPLES, SHARES = st.integers(1, 2_000), st.floats(0.5, 0.995)


def proved(errors: int, sample: int, rest: int, goal: float, confidence: float = 0.9) -> bool:
    found = is_proved(ints(errors), ints(sample), ints(rest), goal, confidence)
    return bool(found[0])


def ints(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("goal", "confidence", "errors", "fewest"),
    [
        (0.95, 0.9, 0, 59),
        (0.95, 0.9, 1, 108),
        (0.95, 0.9, 5, 258),
        (0.9, 0.9, 0, 29),
        (0.9, 0.9, 2, 74),
        (0.99, 0.9, 0, 298),
        (0.95, 0.95, 0, 75),
    ],
)
def test_how_many_labels_prove_a_precision(
    goal: float, confidence: float, errors: int, fewest: int
) -> None:
    assert proved(errors, fewest, MANY, goal, confidence)
    assert not proved(errors, fewest - 1, MANY, goal, confidence)


def test_what_few_tasks_are_left_needs_more_proof() -> None:
    """Of 50 tasks only two may be wrong, of 10 none, which no 2,000 labels prove."""
    assert [proved(0, sample, 50, 0.95) for sample in (96, 97)] == [False, True]
    assert not proved(0, 2_000, 10, 0.95)


def test_nothing_is_promised_of_nothing_and_proved_by_nothing() -> None:
    """A promise that covers no task cannot be broken; one without labels is not proved."""
    assert log_evidence(ints(3), ints(3), ints(0), 0.9).tolist() == [np.inf]
    assert log_evidence(ints(0), ints(0), ints(100), 0.9).tolist() == [-np.inf]


def test_a_sample_that_is_worse_than_the_goal_speaks_against_it() -> None:
    found = log_evidence(ints(9, 10, 11, 100), np.full(4, 100), ints(MANY), 0.9)
    assert np.isfinite(found).tolist() == [True, True, False, False]
    assert found[-1] == -np.inf


def test_the_evidence_is_a_ratio_of_probabilities_by_hand() -> None:
    """One label, right; three tasks are left, of which the goal allows one to be wrong: false means
    two of four, so that it was right with probability 1/2. Expected: 1/3 of .4 wrong, Beta(1, 6.5),
    right with probability 6.5 / 7.5."""
    found = log_evidence(ints(0), ints(1), ints(3), 0.6)
    np.testing.assert_allclose(np.exp(found), [(6.5 / 7.5) / 0.5])


def test_the_lower_bound_is_the_highest_goal_that_is_proved() -> None:
    assert [lower_bound(0, sample, MANY, 0.9) for sample in (59, 45)] == [0.95, 0.935]
    assert [lower_bound(5, 5, 100, 0.9), lower_bound(0, 0, 100, 0.9)] == [0.0, 0.0]
    bound = lower_bound(3, 200, 3_000, 0.9)
    assert proved(3, 200, 3_000, bound)
    assert not proved(3, 200, 3_000, bound + 0.001)


def test_the_most_errors_with_which_a_goal_is_still_proved() -> None:
    samples = np.array([0, 58, 59, 107, 108, 258])
    rest = np.full(len(samples), MANY)
    assert errors_allowed(samples, rest, 0.95, 0.9).tolist() == [-1, -1, 0, 0, 1, 5]


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_what_cannot_be_promised_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"a precision of .* cannot be promised"):
        Goal(precision=value)
    with pytest.raises(ValueError, match=r"a confidence of .* cannot be promised"):
        Goal(confidence=value)


@given(SAMPLES, st.integers(1, 10_000), SHARES)
@settings(deadline=None)
def test_each_error_takes_evidence_away(sample: int, rest: int, goal: float) -> None:
    found = log_evidence(np.arange(sample + 1), np.full(sample + 1, sample), ints(rest), goal)
    finite = found[np.isfinite(found)]
    assert (np.diff(finite) < 0).all()
    # Once the sample speaks against the goal, it does so with every further error.
    assert not np.isfinite(found[len(finite) :]).any()


@given(st.integers(0, 20), st.integers(1, 10_000), SHARES)
@settings(deadline=None)
def test_each_right_answer_adds_evidence(errors: int, rest: int, goal: float) -> None:
    samples = np.arange(errors + 1, errors + 500)
    found = log_evidence(np.full(len(samples), errors), samples, ints(rest), goal)
    finite = found[np.isfinite(found)]
    assert (np.diff(finite) > 0).all()


@given(SAMPLES, st.integers(1, 10_000), SHARES, st.sampled_from([0.8, 0.9, 0.99]))
@settings(deadline=None)
def test_no_error_more_than_allowed_is_proved(
    sample: int, rest: int, goal: float, confidence: float
) -> None:
    (most,) = errors_allowed(np.array([sample]), np.array([rest]), goal, confidence).tolist()
    found = [proved(errors, sample, rest, goal, confidence) for errors in range(most + 3)]
    assert found == [errors <= most for errors in range(most + 3)]


@pytest.mark.parametrize(
    ("size", "wrong", "goal", "confidence"),
    [
        (400, 21, 0.95, 0.9),
        (2_000, 21, 0.99, 0.9),
        (100, 11, 0.9, 0.8),
        (1_000, 101, 0.9, 0.9),
        (60, 20, 0.7, 0.8),
    ],
)
def test_looked_at_after_each_label_few_proofs_are_false(
    size: int, wrong: int, goal: float, confidence: float
) -> None:
    """All tasks are labelled in random order, the wrong ones among them being just too many: how
    often is there a moment at which more of the rest is promised than is right?"""
    rng = np.random.default_rng(size + wrong)
    draws = 1_000
    sample = np.arange(1, size)
    rest = size - sample
    is_wrong = rng.permuted(np.tile(np.arange(size) < wrong, (draws, 1)), axis=1)
    errors = is_wrong.cumsum(axis=1)[:, :-1]
    is_false = (wrong - errors) > (1.0 - goal) * rest + 1e-9
    promised = is_proved(errors, sample, rest, goal, confidence)
    found = (promised & is_false).any(axis=1).mean()
    assert found <= 1.0 - confidence
    # The promise is made: such pools are the hardest ones.
    assert found > 0.0
