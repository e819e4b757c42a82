"""How good annotators are where nobody knows the truth, and what their weighed votes decide."""

import numpy as np
import pytest

from model.measuring.annotators import (
    MOST,
    SHRINKING,
    USUAL,
    Known,
    Opinions,
    chosen,
    from_agreement,
    matrices,
    mistaken,
    quality,
    weights_of,
    with_one,
    with_others,
)
from model.types import Ints


def opinions(rows: list[tuple[int, int, int]], people: int, options: int) -> Opinions:
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Opinions(table[:, 0], table[:, 1], table[:, 2], people, options)


def crowd(right: list[float], tasks: int, each: int, seed: int, options: int = 4) -> Opinions:
    """Votes of people who are right so often, on tasks of `each` of them."""
    rng = np.random.default_rng(seed)
    rows = []
    for task in range(tasks):
        true = int(rng.integers(options))
        for person in rng.permutation(len(right))[:each].tolist():
            is_right = rng.random() < right[person]
            said = true if is_right else int(true + rng.integers(1, options)) % options
            rows.append((task, person, said))
    return opinions(rows, len(right), options)


def test_accuracies_come_near_the_true_ones() -> None:
    found = quality(crowd([0.95, 0.80, 0.60], tasks=2000, each=3, seed=1))
    assert found.accuracy == pytest.approx([0.95, 0.80, 0.60], abs=0.02)
    assert found.differ
    assert found.trials.tolist() == [2000.0, 2000.0, 2000.0]


@pytest.mark.parametrize("each", [2, 3])
def test_equally_good_people_are_not_told_apart(each: int) -> None:
    """Else noise would decide between them."""
    found = [quality(crowd([0.85] * 4, 200, each, seed)).differ for seed in range(40)]
    assert sum(found) <= 2


def test_two_people_alone_are_never_told_apart() -> None:
    """Where they differ nothing says which of the two is right."""
    found = quality(crowd([0.95, 0.5], tasks=500, each=2, seed=3))
    assert not found.differ
    assert found.accuracy[0] == pytest.approx(found.accuracy[1])


def test_a_person_with_two_votes_ends_near_the_mean() -> None:
    many = crowd([1.0, 1.0, 1.0], tasks=200, each=3, seed=4)
    wrong = (many.option[:6:3] + 1) % 4  # against all three, twice
    both = Opinions(
        np.append(many.item, [0, 1]),
        np.append(many.person, [3, 3]),
        np.append(many.option, wrong),
        4,
        4,
    )
    found = quality(both)
    mean = found.accuracy[:3].mean()
    assert found.accuracy[3] == pytest.approx(SHRINKING * mean / (SHRINKING + 2), abs=0.02)


def test_fifty_people_with_three_tasks_each_count_as_equal() -> None:
    rng = np.random.default_rng(5)
    rows = [
        (int(task), person, int(rng.random() < 0.2))
        for person in range(50)
        for task in rng.choice(60, 3, replace=False)
    ]
    found = quality(opinions(rows, 50, 2).of_several())
    assert not found.differ
    assert np.ptp(found.accuracy) < 0.3


def test_of_nothing_nothing_is_known() -> None:
    found = quality(opinions([], 3, 2))
    assert found.accuracy == pytest.approx([USUAL] * 3)
    assert not found.differ
    assert len(found.belief) == 0


def test_everybody_at_odds_is_no_news_of_anybody() -> None:
    rows = [(task, person, person) for task in range(30) for person in range(3)]
    found = quality(opinions(rows, 3, 3))
    assert not found.differ
    assert np.ptp(found.accuracy) == pytest.approx(0.0, abs=1e-9)
    assert found.belief == pytest.approx([1 / 3] * 90)


def test_what_else_is_known_tells_two_people_apart() -> None:
    rows = [(task, person, person) for task in range(10) for person in range(2)]
    known = Known(np.array([90.0, 50.0]), np.array([100.0, 100.0]))
    found = quality(opinions(rows, 2, 2), known)
    assert found.differ
    assert found.accuracy.tolist() == pytest.approx([0.9, 0.52], abs=0.03)
    assert found.belief[:2].tolist() == pytest.approx([0.9, 0.1], abs=0.05)


def test_votes_of_one_person_on_one_task_share_their_weight() -> None:
    twice = opinions([(0, 0, 1), (0, 0, 1), (0, 1, 0)], 2, 2)
    assert twice.shares.tolist() == [0.5, 0.5, 1.0]
    assert twice.voters.tolist() == [2]
    assert quality(twice).belief.tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_only_what_several_people_decided_is_compared() -> None:
    found = opinions([(0, 0, 1), (0, 0, 0), (1, 0, 1), (1, 1, 1), (2, 1, 0)], 2, 2).of_several()
    assert found.item.tolist() == [0, 0]
    assert found.option.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("accuracy", "options", "weight"),
    [(0.5, 2, 0.0), (0.9, 2, np.log(9.0)), (0.8, 5, np.log(16.0)), (0.1, 2, 0.0)],
)
def test_a_vote_weighs_what_it_makes_its_option_more_probable(
    accuracy: float, options: int, weight: float
) -> None:
    assert weights_of(np.array([accuracy]), options)[0] == pytest.approx(weight)


def test_nobody_weighs_more_than_somebody_who_is_nearly_always_right() -> None:
    assert weights_of(np.array([1.0]), 2)[0] == pytest.approx(np.log(MOST / (1 - MOST)))


@pytest.mark.parametrize(
    ("sums", "counts", "option"),
    [
        ([0.0, 0.0], [2, 1], 0),  # equal weights: the majority
        ([0.0, 0.0], [1, 1], None),
        ([3.0, 1.0], [1, 1], 0),
        ([0.9, 1.0], [1, 1], None),  # not twice as probable
        ([1.0, 3.0], [2, 1], 1),  # one good annotator against two that guess
        ([2.5, 3.0], [2, 1], 0),
        ([0.2], [1], 0),
        ([1.0, 1.0, 0.0], [1, 1, 1], None),
    ],
)
def test_clear_weights_decide_and_else_the_majority(
    sums: list[float], counts: list[int], option: int | None
) -> None:
    assert chosen(sums, counts) == option


def test_a_confusion_matrix_is_drawn_to_one_accuracy() -> None:
    """The third one says b for a. Of c there is nothing, so its row is the prior alone."""
    rows = [(task, person, 0) for task in range(40) for person in range(2)]
    rows += [(task, 2, 1) for task in range(40)]
    rows += [(task, person, 1) for task in range(40, 80) for person in range(3)]
    votes = opinions(rows, 3, 3)
    found = quality(votes)
    matrix = matrices(votes, found)
    assert matrix.sum(axis=2) == pytest.approx(np.ones((3, 3)))
    right = found.accuracy[2]
    assert matrix[2, 2] == pytest.approx([(1 - right) / 2, (1 - right) / 2, right])
    assert matrix[2, 0, 1] > 0.8
    assert matrix[2, 1, 1] > 0.9
    assert matrix[0, 0, 0] > 0.95
    first = mistaken(votes, found)[0]
    assert (first.person, first.true, first.said, round(first.count)) == (2, 0, 1, 40)


def test_agreement_counts_the_share_of_the_others() -> None:
    rows = [(0, 0, 1), (0, 1, 1), (0, 2, 0), (1, 0, 1), (2, 0, 0), (2, 2, 0)]
    agreed, compared = with_others(opinions(rows, 3, 2))
    assert agreed.tolist() == [1.5, 0.5, 1.0]
    assert compared.tolist() == [2.0, 1.0, 2.0]


def test_agreement_with_one_is_counted_where_that_one_voted() -> None:
    rows = [(0, 0, 1), (0, 2, 1), (1, 0, 1), (1, 2, 0), (2, 1, 1), (3, 1, 0), (3, 2, 0)]
    agreed, compared = with_one(opinions(rows, 3, 2), 2)
    assert agreed.tolist() == [1.0, 1.0, 0.0]
    assert compared.tolist() == [2.0, 1.0, 0.0]


def test_agreement_with_a_good_model_says_much_and_with_a_guessing_one_nothing() -> None:
    compared: Ints = np.array([100, 100])
    found = from_agreement(np.array([90.0, 60.0]), compared.astype(float), 1.0, 2)
    assert found.trials.tolist() == pytest.approx([100.0, 100.0])
    assert found.right.tolist() == pytest.approx([90.0, 60.0])
    half = from_agreement(np.array([70.0, 50.0]), compared.astype(float), 0.75, 2)
    # 0.6 agree, so 0.7 are right: 100 * 0.5 ** 2 * (0.7 * 0.3) / (0.6 * 0.4).
    assert half.trials.tolist() == pytest.approx([21.875, 21.875])
    assert (half.right / half.trials).tolist() == pytest.approx([0.9, 0.5])
    guessing = from_agreement(np.array([50.0, 20.0]), compared.astype(float), 0.5, 2)
    assert guessing.trials.tolist() == [0.0, 0.0]
