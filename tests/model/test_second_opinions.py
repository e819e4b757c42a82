"""Which is worth more: a first label, or a second opinion."""

import numpy as np
import pytest

from model.choosing.second_opinions import Trust, of_labelled, of_open, trust_in, worth_again

EVEN = Trust(np.array([1.0, 1.0]), 1.0)


def test_trust_is_what_is_better_than_always_giving_the_commonest_label() -> None:
    found = trust_in(np.array([1.0, 0.75, 0.4]), 0.75, 0.5, 1.0)
    assert found.people.tolist() == pytest.approx([1.0, 0.5, 0.0])
    assert found.model == pytest.approx(0.5)
    assert trust_in(np.array([1.0]), 0.75, 0.5, 4.0).model == pytest.approx(1.0)


def test_a_task_where_nobody_is_trusted_has_no_number_that_is_no_number() -> None:
    nothing = Trust(np.array([0.0]), 0.0)
    place = np.array([0])
    assert of_labelled(np.array([0.5]), np.array([0.5]), place, place, nothing, 2).tolist() == [0.0]
    assert of_open(np.array([[0.5, 0.5]]), nothing).tolist() == [0.0]


def test_a_label_that_the_model_shares_is_worth_no_second_opinion() -> None:
    """Two tasks with one vote, one with two: the mean of what votes, model and chance say."""
    found = of_labelled(
        believed=np.array([0.9, 0.1, 0.9]),
        given=np.array([0.8, 0.8, 0.8, 0.2]),
        task=np.array([0, 1, 2, 2]),
        person=np.array([0, 0, 0, 1]),
        trust=EVEN,
        options=2,
    )
    expected = [(0.9 + 0.8 + 0.5) / 3, (0.1 + 0.8 + 0.5) / 3, (0.9 + 0.8 + 0.2 + 0.5) / 4]
    assert found.tolist() == pytest.approx(expected)
    opened = of_open(np.array([[0.9, 0.1], [0.5, 0.5]]), EVEN)
    assert opened.tolist() == pytest.approx([0.7, 0.5])


def test_labelled_tasks_are_asked_again_where_fewer_new_ones_are_worth_more() -> None:
    labelled, opened = np.array([0.9, 0.3, 0.5]), np.array([0.2, 0.4, 0.6, 0.8])
    # Each of the 4 stands for 10: task 1 is behind 10 of them, task 2 behind 20, task 0 behind 40.
    assert worth_again(labelled, opened, 40, 11).tolist() == [1]
    assert worth_again(labelled, opened, 40, 10).tolist() == []
    assert worth_again(labelled, opened, 40, 22).tolist() == [1, 2]
    assert worth_again(labelled, opened, 40, 100).tolist() == [1, 2, 0]


def test_without_new_tasks_only_labelled_ones_are_left() -> None:
    assert worth_again(np.array([0.9, 0.3]), np.zeros(0), 0, 5).tolist() == [1, 0]
    assert worth_again(np.zeros(0), np.array([0.3]), 1, 5).tolist() == []
