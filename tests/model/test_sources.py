"""What others say, weighed by what people say."""

import numpy as np
import pytest

from model.heads.sources import (
    FEWEST,
    MOST_SKILL,
    STRENGTHS,
    Compared,
    Source,
    agreement,
    drawn,
    guessed,
    reliability,
)
from model.types import Floats, Kind, LabelGroup

EVEN = np.full(3, 1.0 / 3.0)
NOTHING = Compared(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.bool_))


def source(votes: list[list[int]], rows: list[int] | None = None) -> Source:
    bounds = np.cumsum([0, *map(len, votes)])
    labels = np.array([label for vote in votes for label in vote], np.int64)
    there = np.arange(len(votes)) if rows is None else np.array(rows)
    return Source("rules", there, labels, bounds, np.ones(len(votes), np.bool_))


def compared(votes: Floats, truth: Floats) -> Compared:
    return Compared(votes, truth, votes.sum(axis=1) == 0)


def one_hot(*classes: int, count: int = 3) -> Floats:
    found: Floats = np.eye(count, dtype=np.float32)[list(classes)]
    return found


def test_votes_as_arrays() -> None:
    some = source([[0], [], [2, 1]])
    expected = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(some.votes(np.array([2, 0, 1]), 3), expected)
    np.testing.assert_allclose(some.shares(3), [1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_array_equal(source([]).votes(np.zeros(0, np.int64), 2), np.zeros((0, 2)))


def test_votes_for_some_labels_only() -> None:
    """A vote for other labels only is none; a vote for none stays one where it is asked for."""
    some = source([[0], [], [2, 1], [1]], rows=[3, 4, 6, 9])
    kept = some.of_labels([2, 0])
    assert (kept.rows.tolist(), kept.labels.tolist(), kept.bounds.tolist()) == (
        [3, 6],
        [1, 0],
        [0, 1, 2],
    )
    assert some.of_labels([2, 0], keep_empty=True).rows.tolist() == [3, 4, 6]
    question = some.of_question(LabelGroup("single", 1, 3))
    assert (question.rows.tolist(), question.labels.tolist()) == ([6, 9], [1, 0, 0])


def test_a_source_is_believed_a_little_before_any_comparison() -> None:
    found = reliability(NOTHING, EVEN, 1.0, "single", believed=0.4)
    assert found.skill == pytest.approx(0.4)
    said = np.exp(found.log_likelihoods[:-1])
    np.testing.assert_allclose(np.diag(said), 0.4 + 0.6 / 3, rtol=0.01)
    np.testing.assert_allclose(said[0, 1:], 0.6 / 3, rtol=0.01)
    assert found.weight(one_hot(0, 1, 2)) == pytest.approx(0.4**2, rel=0.03)
    assert reliability(NOTHING, EVEN, 1.0, "single", believed=0.0).weight(one_hot(0)) < 1e-6


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_who_is_always_right_is_believed_and_who_guesses_is_not(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    truth = one_hot(*rng.integers(0, 3, 300))
    right = reliability(compared(truth, truth), EVEN, 1.0, kind)
    assert right.skill == pytest.approx(0.97, abs=0.02)
    assert right.skill <= MOST_SKILL
    guesses = one_hot(*rng.integers(0, 3, 300))
    by_chance = reliability(compared(guesses, truth), EVEN, 1.0, kind)
    assert by_chance.skill < 0.05
    assert by_chance.weight(guesses) < 0.005
    assert right.weight(truth) > 0.5


def test_who_calls_each_label_by_another_name_is_understood() -> None:
    """It is never right, but what it says is as good as the truth."""
    truth = one_hot(*np.random.default_rng(0).integers(0, 3, 300))
    found = reliability(compared(np.roll(truth, 1, axis=1), truth), EVEN, 1.0, "single")
    assert found.skill == 0.0
    said = found.evidence(one_hot(1))
    assert said.argmax() == 0, "who says the second label means the first"
    assert found.weight(one_hot(0, 1, 2)) > 0.5


def test_a_rule_for_one_label_says_no_by_silence() -> None:
    truth = one_hot(*np.random.default_rng(0).integers(0, 3, 300))
    rule = truth * np.array([1.0, 0.0, 0.0], np.float32)
    for kind in ("single", "multiple"):
        found = reliability(compared(rule, truth), np.array([1.0, 0.0, 0.0]), 1 / 3, kind)
        assert found.is_silence_telling
        assert found.silence[0] < found.silence[1:].min() - 1.0
        voted = found.evidence(one_hot(0))[0]
        assert voted[0] > voted[1:].max() + 1.0


def test_silence_of_who_votes_for_all_labels_says_nothing() -> None:
    rng = np.random.default_rng(0)
    truth = one_hot(*rng.integers(0, 3, 300))
    votes = truth * (rng.random((300, 1)) < 0.6)
    for kind in ("single", "multiple"):
        assert not reliability(compared(votes, truth), EVEN, 0.6, kind).is_silence_telling


def test_a_label_that_is_never_given_is_not_spoken_of() -> None:
    found = reliability(NOTHING, np.array([0.5, 0.5, 0.0]), 1.0, "multiple")
    np.testing.assert_array_equal(found.log_likelihoods[:, 2], np.zeros(3))


def test_counts_are_believed_where_they_clearly_differ() -> None:
    """Few that differ may be chance; many may not, and then the expectation hardly counts."""
    expected = np.array([[0.5, 0.5]])
    np.testing.assert_allclose(drawn(np.array([[3.0, 1.0]]), expected), 0.5, atol=0.01)
    found = drawn(np.array([[90.0, 10.0]]), expected)
    assert STRENGTHS[-1] == 10.0
    np.testing.assert_allclose(found, [[95 / 110, 15 / 110]])
    np.testing.assert_allclose(drawn(np.zeros((1, 2)), expected), expected)
    assert drawn(np.array([[5.0, 0.0]]), np.array([[1.0, 0.0]])).min() >= 0.5 * FEWEST


def test_labels_that_a_source_does_not_give_are_as_frequent_as_any() -> None:
    np.testing.assert_allclose(guessed(np.array([0.3, 0.1, 0.0, 0.0])), [0.375, 0.125, 0.25, 0.25])
    np.testing.assert_allclose(guessed(np.zeros(4)), [0.25] * 4)


def test_agreement_beyond_chance() -> None:
    both = one_hot(0, 0, 1, 2)
    assert agreement(both, both)[0] == pytest.approx(1.0)
    assert agreement(np.roll(both, 1, axis=1), both)[0] < 0.0
    share, deviations = agreement(np.zeros((0, 3)), np.zeros((0, 3)))
    assert (share, deviations) == (0.0, 0.0)
