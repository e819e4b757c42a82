from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from model.choosing.choice import COLD_LABELS
from model.choosing.synthesis import (
    PAIRS,
    bisected,
    boundary_points,
    nearest_in_turn,
    opposite_pairs,
    perpendicular,
)
from model.heads.head import Head
from model.learner import fast_round
from model.snapshot import Policy, Snapshot
from model.types import Bools, Floats, Ints, LabelGroup


def on_circle(*degrees: float) -> Floats:
    """Unit vectors (n, 2) at these angles."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def angles_of(vectors: Floats) -> Floats:
    """In degrees, from -180 to 180."""
    result: Floats = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0]))
    return result


def sectors(*borders: float) -> Callable[[Floats], Bools]:
    """A head on the circle: one label up to the first of these angles, the next up to the second,
    and so on."""

    def given(points: Floats) -> Bools:
        label = np.searchsorted(borders, angles_of(points))
        return np.eye(len(borders) + 1, dtype=np.bool_)[label]

    return given


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_points_are_where_the_head_changes_its_mind() -> None:
    """Not half way between the examples, at 45 degrees, but at the border of the labels."""
    found = boundary_points(sectors(50), on_circle(0, 10, 80, 90), np.eye(2)[[0, 0, 1, 1]], rng())
    assert len(found) == 2 * PAIRS
    assert angles_of(found) == pytest.approx(np.full(len(found), 50.0), abs=0.1)


def test_where_a_third_label_lies_between_the_border_with_that_one_is_found() -> None:
    """At 45 degrees the first and the last label are equally likely, but neither is given."""
    found = boundary_points(sectors(30, 60), on_circle(0, 90), np.eye(3)[[0, 2]], rng())
    assert set(angles_of(found).round().tolist()) == {30.0, 60.0}


def test_of_several_labels_each_has_its_own_border() -> None:
    """`east` up to 30 degrees, `north` from 60 on, `any` everywhere: there is no way out of it."""

    def given(points: Floats) -> Bools:
        angles = angles_of(points)
        return np.stack([angles < 30, angles > 60, angles < 500], axis=1)

    targets = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 1], [0, 1, 0]])
    found = boundary_points(given, on_circle(0, 90, 10, 80), targets, rng())
    assert set(angles_of(found).round().tolist()) == {30.0, 60.0}


def test_two_labels_of_a_linear_head_are_equally_likely_at_its_points() -> None:
    vectors = rng(1).normal(size=(60, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = 9 * rng(2).normal(size=(16, 4)).astype(np.float32)
    head = Head("single", tuple("abcd"), weights, np.zeros(4, np.float32), np.zeros(16))
    targets = head.answers(head.probs(vectors)).astype(np.float32)
    found = boundary_points(
        lambda points: head.answers(head.probs(points)), vectors, targets, rng()
    )
    likeliest = np.sort(head.probs(found), axis=1)[:, -2:]
    assert len(found) > PAIRS, "some of those beside a pair, too"
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(len(found)), abs=1e-5)
    assert np.diff(likeliest).max() < 0.02


@pytest.mark.parametrize(
    ("targets", "border"),
    [
        (np.eye(2)[[0, 0]], 50),  # all labelled alike
        (np.eye(2)[[0, 1]], 170),  # the head gives both the same answer
        (np.eye(2)[[1, 0]], 50),  # the head gives both the other's
        (np.zeros((0, 2)), 50),
    ],
)
def test_without_an_opposite_pair_there_is_no_point(targets: Floats, border: float) -> None:
    vectors = on_circle(0, 90)[: len(targets)]
    assert boundary_points(sectors(border), vectors, targets, rng()).shape == (0, 2)


def test_no_way_is_the_shortest_between_ends_that_are_opposite_to_each_other() -> None:
    east, west = on_circle(0), -on_circle(0)
    assert bisected(sectors(50), east, west, np.array([0])).shape == (0, 2)


def test_rare_labels_have_as_many_pairs_as_frequent_ones() -> None:
    targets = np.eye(3)[np.repeat([0, 1, 2], [90, 1, 0])]
    labels, have, lack = opposite_pairs(targets, rng())
    assert np.bincount(labels).tolist() == [PAIRS // 2, PAIRS // 2]
    assert targets[have, labels].all()
    assert not targets[lack, labels].any()


def test_steps_aside_are_perpendicular_to_the_pair() -> None:
    directions = rng(1).normal(size=(20, 7))
    steps = perpendicular(directions, rng())
    assert (steps * directions).sum(axis=1) == pytest.approx(np.zeros(20), abs=1e-6)
    assert np.linalg.norm(steps, axis=1) == pytest.approx(np.ones(20))


def test_each_point_has_its_nearest_row_before_any_has_its_second() -> None:
    """The point at 0 has the three nearest rows of all, the one at 90 the farther two."""
    vectors = on_circle(1, 2, 3, 75, 70)
    nearness = vectors @ on_circle(0, 90).T
    rows = nearest_in_turn(nearness.max(axis=1), vectors, 9, rng(), nearness=nearness)
    assert rows.tolist() == [0, 3, 1, 4, 2]


ENOUGH = COLD_LABELS + 20
BY_SYNTHESIS = Policy("query_synthesis", 4, 0.0, 0, guard=False)


def pool(labelled_at: Floats, label: Ints, *open_at: float) -> Snapshot:
    """Labels 0 and 1 at the given angles (m,), and open tasks at others. The mean of the vectors is
    the centre of the circle, for each has one opposite to it that may not be asked for."""
    vectors = on_circle(*labelled_at, *open_at)
    vectors = np.concatenate([vectors, -vectors])
    answered = np.arange(len(labelled_at))
    is_open = np.zeros(len(vectors), np.bool_)
    is_open[len(answered) : len(answered) + len(open_at)] = True
    targets = np.eye(2, dtype=np.float32)[label]
    ids = np.arange(len(vectors))
    return Snapshot(ids, vectors, is_open, answered, targets, ("east", "north"), "single")


SIDES = np.arange(ENOUGH) % 2
TWO_SIDES = 90.0 * SIDES + np.linspace(-9, 9, ENOUGH)


def test_the_open_task_nearest_to_the_border_is_asked_for_first() -> None:
    snapshot = pool(TWO_SIDES, SIDES, 10, 38, 46, 80)
    first = ENOUGH + np.array([2, 1])
    assert fast_round(snapshot, BY_SYNTHESIS).rows[:2].tolist() == first.tolist()


def test_where_all_are_labelled_alike_it_asks_as_the_default_strategy_does() -> None:
    snapshot = pool(TWO_SIDES, 0 * SIDES, *np.linspace(-170, 170, 40))
    default = replace(BY_SYNTHESIS, strategy="variance")
    rows = fast_round(snapshot, BY_SYNTHESIS).rows.tolist()
    assert rows == fast_round(snapshot, default).rows.tolist()
    apart = replace(snapshot, targets=np.eye(2, dtype=np.float32)[SIDES])
    assert fast_round(apart, BY_SYNTHESIS).rows.tolist() != fast_round(apart, default).rows.tolist()


def test_of_several_questions_each_has_its_borders() -> None:
    """Labels lie at 0, 90, 180 and 270 degrees. The first question divides them along the line
    through 135 degrees, the second along the one through 45."""
    quarters = np.arange(ENOUGH) % 4
    first, second = quarters >= 2, np.isin(quarters, [1, 2])
    angles = 90.0 * quarters + np.linspace(-9, 9, ENOUGH)
    near = np.array([-2, -1, 1, 2])
    of_first, of_second = (*135 + near, *315 + near), (*45 + near, *225 + near)
    snapshot = replace(
        pool(angles, quarters // 2, *of_first, *of_second, *90.0 * np.arange(4)),
        targets=np.stack([~first, first, ~second, second], axis=1).astype(np.float32),
        labels=("side: a", "side: b", "height: a", "height: b"),
        kind="multiple",
        groups=(LabelGroup("single", 0, 2), LabelGroup("single", 2, 4)),
    )
    rows = fast_round(snapshot, replace(BY_SYNTHESIS, size=6)).rows
    assert set(((rows - ENOUGH) // 8).tolist()) == {0, 1}
