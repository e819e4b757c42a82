from dataclasses import replace

import pytest

from model.measuring.stopping import (
    Goals,
    Measured,
    PastRound,
    Reason,
    comparison_due,
    reasons_to_stop,
)

ROUND = PastRound("1.1", labels=100, open_tasks=900)
GOOD = Measured(0.94, 0.91, 0.97, 120)


def names(history: list[PastRound], goals: Goals) -> list[str]:
    return [reason.name for reason in reasons_to_stop(history, goals)]


def compared(*kappas: float | None) -> list[PastRound]:
    return [replace(ROUND, kappa=kappa) for kappa in kappas]


def test_no_history_no_reason() -> None:
    assert reasons_to_stop([], Goals(target=0.1, labels=0, rounds=0, kappa=0.0)) == []


def test_nothing_asked_nothing_told() -> None:
    history = [replace(ROUND, measured=GOOD, kappa=1.0)] * 10
    assert reasons_to_stop(history, Goals()) == []


def test_the_target_is_reached_when_the_lower_end_reaches_it() -> None:
    history = [replace(ROUND, measured=GOOD)]
    assert reasons_to_stop(history, Goals(target=0.9)) == [
        Reason(
            "target_reached",
            "The target is reached: accuracy is at least 0.90 with 95 % confidence "
            "(0.94, interval 0.91 to 0.97, 120 audit labels).",
        )
    ]
    assert names(history, Goals(target=0.91)) == ["target_reached"]
    assert names(history, Goals(target=0.92)) == []


def test_a_high_value_of_few_labels_is_no_target_reached() -> None:
    lucky = Measured(1.0, 0.21, 1.0, 1)
    assert names([replace(ROUND, measured=lucky)], Goals(target=0.5)) == []


def test_the_last_round_says_whether_the_target_is_reached() -> None:
    history = [replace(ROUND, measured=GOOD), ROUND]
    assert names(history, Goals(target=0.9)) == []


def test_the_target_is_told_in_the_words_and_figures_of_the_goal() -> None:
    found = reasons_to_stop(
        [replace(ROUND, measured=Measured(1.0, 0.9951, 1.0, 1))],
        Goals(metric="macro_f1", target=0.995),
    )
    assert "macro-F1 is at least 0.995 with" in found[0].sentence
    assert "1 audit label)" in found[0].sentence


@pytest.mark.parametrize(("labels", "told"), [(99, True), (100, True), (101, False)])
def test_the_budget_is_used_when_as_many_labels_are_given(labels: int, told: bool) -> None:
    assert names([ROUND], Goals(labels=labels)) == ["budget_used"] * told


def test_the_budget_in_words() -> None:
    found = reasons_to_stop([ROUND], Goals(labels=100))
    assert found[0].sentence == "The budget is used: 100 of 100 labels."


@pytest.mark.parametrize(("hours", "told"), [(2.5, True), (2.4, False), (None, False)])
def test_the_hours_are_used_when_people_have_labelled_as_long(
    hours: float | None, told: bool
) -> None:
    history = [replace(ROUND, hours=hours)]
    assert names(history, Goals(hours=2.5)) == ["hours_used"] * told
    assert names(history, Goals()) == []


def test_the_hours_in_words() -> None:
    (found,) = reasons_to_stop([replace(ROUND, hours=8.04)], Goals(hours=8.0))
    assert found.sentence == "The hours are used: 8.0 of 8 hours."


@pytest.mark.parametrize(("paid", "told"), [(50, True), (49, False), (None, False)])
def test_the_money_is_used_when_labels_have_cost_as_much(paid: int | None, told: bool) -> None:
    history = [replace(ROUND, paid=paid)]
    assert names(history, Goals(cost=12.5, price=0.25)) == ["cost_used"] * told
    assert names(history, Goals(price=0.25)) == []


def test_the_money_in_words() -> None:
    (found,) = reasons_to_stop([replace(ROUND, paid=120)], Goals(cost=9.5, price=0.08))
    said = "The money is used: 120 labels at 0.08 each come to 9.60 (budget 9.50)."
    assert found.sentence == said


@pytest.mark.parametrize(("coverage", "told"), [(0.8, True), (0.79, False), (None, False)])
def test_the_model_can_label_as_much_as_is_wanted(coverage: float | None, told: bool) -> None:
    history = [replace(ROUND, coverage=coverage)]
    found = reasons_to_stop(history, Goals(coverage=0.8, at_precision=0.95))
    assert [one.name for one in found] == ["coverage_reached"] * told
    if told:
        assert "80 % of the open tasks by itself at a precision of 0.95" in found[0].sentence


@pytest.mark.parametrize(
    ("kappas", "stable"),
    [
        ((0.99, 0.98, 1.0), True),
        ((0.99, 0.97, 1.0), False),
        ((0.5, 0.99, 0.98, 1.0), True),
        ((0.99, 0.99, 0.99, 0.5), False),
        ((0.99, 1.0), False),
        ((None, None, None), False),
    ],
)
def test_stable_means_the_last_comparisons_all_agree(
    kappas: tuple[float | None, ...], stable: bool
) -> None:
    goals = Goals(kappa=0.98, window=3)
    assert names(compared(*kappas), goals) == ["predictions_stable"] * stable


def test_rounds_between_comparisons_do_not_count() -> None:
    """Fast rounds come with every label and always agree with the one before."""
    history = compared(0.99, None, None, 0.98, None, 1.0, None)
    assert reasons_to_stop(history, Goals(kappa=0.98, window=3)) == [
        Reason(
            "predictions_stable",
            "The predictions are stable: in the last 3 comparisons of versions the agreement was "
            "at least 0.98 (lowest kappa 0.980).",
        )
    ]


@pytest.mark.parametrize(
    ("compared", "labels", "due"),
    [
        (None, 1, True),
        (5, 14, False),
        (5, 15, True),
        (200, 219, False),
        (200, 220, True),
        (205, 225, False),
        (205, 226, True),
        (50, 50, False),
        (50, 40, False),
    ],
)
def test_versions_are_compared_ten_labels_and_a_tenth_apart(
    compared: int | None, labels: int, due: bool
) -> None:
    assert comparison_due(compared, labels) is due


def test_an_exhausted_pool_is_told_unasked() -> None:
    assert reasons_to_stop([replace(ROUND, open_tasks=0)], Goals()) == [
        Reason("pool_exhausted", "The pool is exhausted: no task is left to label.")
    ]
    assert names([replace(ROUND, open_tasks=1)], Goals()) == []


@pytest.mark.parametrize(("rounds", "told"), [(2, True), (3, True), (4, False)])
def test_the_last_round(rounds: int, told: bool) -> None:
    assert names([ROUND] * 3, Goals(rounds=rounds)) == ["last_round"] * told


def test_the_last_round_in_words() -> None:
    found = reasons_to_stop([ROUND], Goals(rounds=1))
    assert found[0].sentence == "The last round is done: 1 of 1 round."


def test_all_reasons_are_told_in_a_fixed_order() -> None:
    history = [replace(ROUND, measured=GOOD, kappa=1.0, open_tasks=0)]
    goals = Goals(target=0.9, labels=100, rounds=1, kappa=0.99, window=1)
    assert names(history, goals) == [
        "target_reached",
        "budget_used",
        "predictions_stable",
        "pool_exhausted",
        "last_round",
    ]
