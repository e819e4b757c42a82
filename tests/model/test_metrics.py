import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from model.heads.deciding import decisions
from model.measuring.metrics import (
    cohen_kappa,
    macro_f1,
    measure,
    micro_f1,
    sample_f1,
    scores,
    wilson,
)
from model.types import Bools, Kind

LABELS = ("a", "b", "c")
Metric = Callable[[Bools, Bools], float]
F1S = ("micro_f1", "macro_f1", "sample_f1")


def one_hot(classes: list[int], c: int) -> Bools:
    return np.eye(c, dtype=np.bool_)[classes]


def table(*rows: str) -> Bools:
    """Rows such as "x.x" as an array: x is a label that was given."""
    return np.array([[mark == "x" for mark in row] for row in rows])


def test_a_single_decision_is_the_likeliest_label() -> None:
    probs = np.array([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]])
    assert decisions(probs, "single").tolist() == table(".x.", "x..").tolist()


def test_a_tie_is_still_one_label() -> None:
    assert decisions(np.array([[0.4, 0.2, 0.4]]), "single").tolist() == table("x..").tolist()


def test_multiple_decisions_are_all_labels_of_at_least_one_half() -> None:
    probs = np.array([[0.5, 0.49, 0.9], [0.1, 0.2, 0.3]])
    assert decisions(probs, "multiple").tolist() == table("x.x", "...").tolist()


def test_each_label_may_have_its_own_threshold() -> None:
    probs = np.array([[0.5, 0.3, 0.9], [0.6, 0.2, 0.3]])
    answers = decisions(probs, "multiple", np.array([0.6, 0.25, 0.5]))
    assert answers.tolist() == table(".xx", "x..").tolist()


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_no_examples_no_decisions(kind: Kind) -> None:
    assert decisions(np.zeros((0, 3)), kind).shape == (0, 3)


def test_scores_of_single_labels() -> None:
    """Of a, a, b, c the model says a, b, b, a: F1 is 1/2 for a, 2/3 for b, 0 for c."""
    truth = table("x..", "x..", ".x.", "..x")
    answers = table("x..", ".x.", ".x.", "x..")
    assert scores(answers, truth) == {
        "accuracy": 0.5,
        "micro_f1": 0.5,
        "macro_f1": pytest.approx((1 / 2 + 2 / 3 + 0) / 3),
    }


def test_accuracy_asks_for_all_labels_of_an_example() -> None:
    truth, answers = table("xx.", "x..", "..."), table("x..", "x..", "...")
    assert scores(answers, truth)["accuracy"] == pytest.approx(2 / 3)


def test_scores_of_nothing_are_absent_and_not_zero() -> None:
    assert scores(table()[:, None], table()[:, None]) == {}


def test_micro_f1_counts_decisions_together() -> None:
    """Two hits, one false claim, two misses: 2 * 2 / (3 + 4)."""
    assert micro_f1(table("xx", "x.", ".."), table("xx", ".x", ".x")) == pytest.approx(4 / 7)


def test_macro_f1_leaves_out_labels_that_never_occur() -> None:
    assert macro_f1(table("x.."), table("x..")) == 1.0


def test_macro_f1_counts_a_label_that_was_claimed_and_never_true() -> None:
    assert macro_f1(table("xx."), table("x..")) == 0.5


def test_nothing_to_find_and_nothing_claimed_is_perfect() -> None:
    assert micro_f1(table("..", ".."), table("..", "..")) == 1.0
    assert macro_f1(table("..", ".."), table("..", "..")) == 1.0


def test_a_perfect_model_scores_one_and_a_wrong_one_zero() -> None:
    truth = table("x.", ".x")
    assert math.prod(scores(truth, truth).values()) == 1.0
    assert set(scores(~truth, truth).values()) == {0.0}


def test_sample_f1_is_the_mean_over_examples() -> None:
    """F1 of the examples: 1, 2/3 (one of two labels found), 0, and with nothing to find 1 or, if
    something is claimed, 0."""
    truth = table("x..", "xx.", "..x", "...", "...")
    answers = table("x..", "x..", "x..", "...", ".x.")
    assert sample_f1(answers, truth) == pytest.approx((1 + 2 / 3 + 0 + 1 + 0) / 5)


@pytest.mark.parametrize(
    ("metric", "average"), [(micro_f1, "micro"), (macro_f1, "macro"), (sample_f1, "samples")]
)
def test_the_f1s_are_those_of_scikit_learn(metric: Metric, average: str) -> None:
    truth, answers = np.random.default_rng(0).random((2, 40, 5)) < 0.4
    expected = f1_score(truth, answers, average=average, zero_division=1.0)
    assert metric(answers, truth) == pytest.approx(expected)


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 2), (2, 2), (45, 50), (100, 100)])
def test_wilson_is_the_interval_of_scipy(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_no_trial_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_nothing_is_measured_on_nothing() -> None:
    nothing = np.zeros((0, 3), np.bool_)
    assert measure(nothing, nothing, LABELS, seed=0) == {}
    assert sample_f1(nothing, nothing) == 1.0


def test_a_measure_holds_the_value_of_each_metric() -> None:
    truth, answers = table("x..", "xx.", "..x", "..."), table("x..", "x..", "x..", "...")
    found = measure(answers, truth, LABELS, seed=0)
    low, high = wilson(2, 4)
    assert found["examples"] == 4
    assert found["accuracy"] == {"value": 0.5, "low": low, "high": high}
    assert found["micro_f1"]["value"] == micro_f1(answers, truth)
    assert found["macro_f1"]["value"] == macro_f1(answers, truth)
    assert found["sample_f1"]["value"] == sample_f1(answers, truth)


def test_a_measure_holds_each_label() -> None:
    """a: two of three claims hit and nothing is missed; b: one missed; c: one missed, and one
    claimed in vain."""
    truth, answers = table("x..", "xx.", "..x", "..."), table("x..", "x..", "x..", "..x")
    labels = measure(answers, truth, LABELS, seed=0)["labels"]
    assert [labels[label]["support"] for label in LABELS] == [2, 1, 1]
    assert labels["a"]["precision"]["value"] == pytest.approx(2 / 3)
    assert labels["a"]["recall"]["value"] == 1.0
    assert labels["a"]["f1"]["value"] == pytest.approx(4 / 5)
    assert labels["b"]["precision"] is None
    assert labels["b"]["recall"]["value"] == 0.0
    assert labels["c"]["f1"]["value"] == 0.0


def test_a_label_that_never_occurs_has_no_figures() -> None:
    truth = table("x.", "x.")
    figures = measure(truth, truth, ("a", "b"), seed=0)["labels"]["b"]
    assert figures == {"precision": None, "recall": None, "f1": None, "support": 0}


def test_the_interval_of_a_label_follows_wilson() -> None:
    """Two hits among three examples where a is true or claimed: F1 = 2 p / (1 + p) of p = 2/3."""
    found = measure(table("x", "x", "x"), table("x", "x", "."), ("a",), seed=0)["labels"]["a"]
    low, high = wilson(2, 3)
    assert found["precision"] == {"value": 2 / 3, "low": low, "high": high}
    assert found["f1"]["low"] == pytest.approx(2 * low / (1 + low))
    assert found["f1"]["high"] == pytest.approx(2 * high / (1 + high))


@pytest.mark.parametrize("n", [1, 2, 5, 35])
def test_few_examples_prove_neither_a_perfect_nor_a_useless_model(n: int) -> None:
    """All resamples of right answers are right: the bare bootstrap would say 1 to 1."""
    truth = one_hot([place % 3 for place in range(n)], 3)
    right = measure(truth, truth, LABELS, seed=0)
    wrong = measure(truth[:, [1, 2, 0]], truth, LABELS, seed=0)
    for name in F1S:
        assert right[name] == pytest.approx({"value": 1.0, "low": wilson(n, n)[0], "high": 1.0})
        assert wrong[name] == pytest.approx({"value": 0.0, "low": 0.0, "high": wilson(0, n)[1]})


@pytest.mark.parametrize(("name", "metric"), [("macro_f1", macro_f1), ("sample_f1", sample_f1)])
def test_the_interval_is_the_percentile_bootstrap(name: str, metric: Metric) -> None:
    rng = np.random.default_rng(5)
    truth, answers = rng.random((2, 60, 4)) < 0.4
    draws = [rng.integers(60, size=60) for _ in range(4000)]
    resampled = [metric(answers[rows], truth[rows]) for rows in draws]
    found = measure(answers, truth, ("a", "b", "c", "d"), seed=0)[name]
    low, high = np.percentile(resampled, [2.5, 97.5])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.015)


def test_equal_examples_leave_no_doubt_and_the_value_in_its_interval() -> None:
    """But for rounding all resamples are the value itself: 2/3 in 32 bits is more than 2/3."""
    found = measure(table("x.")[[0] * 50], table("xx")[[0] * 50], ("a", "b"), seed=0)
    for name in F1S:
        value, low, high = (found[name][end] for end in ("value", "low", "high"))
        assert value - 1e-6 < low <= value <= high < value + 1e-6


@pytest.mark.parametrize("n", [1, 2, 3, 8, 30])
def test_the_value_lies_in_its_interval(n: int) -> None:
    for seed in range(20):
        truth, answers = np.random.default_rng(seed).random((2, n, 6)) < 0.3
        found = measure(answers, truth, tuple("abcdef"), seed)
        for name in ("accuracy", *F1S):
            figure = found[name]
            assert 0.0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1.0


def test_a_measure_repeats_and_goes_through_json() -> None:
    truth, answers = np.random.default_rng(1).random((2, 20, 3)) < 0.5
    found = measure(answers, truth, LABELS, seed=3)
    assert json.loads(json.dumps(found)) == found
    assert measure(answers, truth, LABELS, seed=3) == found


def test_kappa_of_classes_by_hand() -> None:
    """8 of 10 agree, 0.5 would by chance: (0.8 - 0.5) / (1 - 0.5)."""
    first = one_hot([0] * 5 + [1] * 5, 2)
    second = one_hot([0] * 4 + [1] * 5 + [0], 2)
    assert cohen_kappa(first, second, "single") == pytest.approx(0.6)


def test_kappa_of_several_labels_pools_their_agreements() -> None:
    """Label a: 8 of 10 agree, 0.5 by chance; label b: all and 1.0; pooled (0.9 - 0.75) / 0.25."""
    first = one_hot([0] * 5 + [1] * 5, 2) & [True, False]
    second = one_hot([0] * 4 + [1] * 5 + [0], 2) & [True, False]
    assert cohen_kappa(first, second, "multiple") == pytest.approx(0.6)


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_kappa_is_one_for_the_same_answers(kind: Kind) -> None:
    """Also where all have one class: chance agrees as well, and the formula has 0 / 0."""
    for answers in (one_hot([0, 1, 2], 3), one_hot([1, 1], 3), np.zeros((0, 3), np.bool_)):
        assert cohen_kappa(answers, answers, kind) == 1.0


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_kappa_of_opposites_is_minus_one(kind: Kind) -> None:
    first = one_hot([0, 1] * 5, 2)
    assert cohen_kappa(first, ~first, kind) == pytest.approx(-1.0)
