"""Boxes: exact values, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from model.boxes.agreement import agreed_boxes
from model.boxes.geometry import (
    UNREAD,
    Box,
    kept,
    matched,
    outside_unread,
    overlaps,
    overlaps_on_pages,
    pairs_of,
)
from model.boxes.measures import (
    average_precision,
    average_precisions,
    counts_of,
    is_right,
    mean_average_precision,
)


def box(x: float, y: float, width: float, height: float, label: str = "cat", page: int = 0) -> Box:
    return Box(page, x, y, width, height, label)


def test_overlaps() -> None:
    """Half of a square is shared with a neighbour of the same size: a third of both together."""
    one = np.array([[0.0, 0.0, 0.4, 0.4]])
    others = np.array(
        [[0.0, 0.0, 0.4, 0.4], [0.2, 0.0, 0.4, 0.4], [0.4, 0.0, 0.4, 0.4], [0.1, 0.1, 0.2, 0.2]]
    )
    np.testing.assert_allclose(overlaps(one, others), [[1.0, 1 / 3, 0.0, 0.25]])


def test_boxes_without_an_area_overlap_nothing() -> None:
    point = np.array([[0.2, 0.2, 0.0, 0.0]])
    assert overlaps(point, point).tolist() == [[0.0]]


def test_boxes_on_other_pages_overlap_nothing() -> None:
    same = np.array([[0.0, 0.0, 1.0, 1.0]])
    pages = np.array([0]), np.array([1])
    assert overlaps_on_pages(same, pages[0], same, pages[1]).tolist() == [[0.0]]
    assert overlaps_on_pages(same, pages[1], same, pages[1]).tolist() == [[1.0]]


def test_doubles_are_left_out() -> None:
    """The second is a double of the surer first; the third overlaps only the second, and stays."""
    shared = np.array([[1.0, 0.6, 0.1], [0.6, 1.0, 0.6], [0.1, 0.6, 1.0]])
    assert kept(np.array([0.9, 0.8, 0.7]), shared, 0.5).tolist() == [0, 2]
    assert kept(np.array([0.7, 0.8, 0.9]), shared, 0.5).tolist() == [2, 0]
    assert kept(np.array([0.7, 0.9, 0.8]), shared, 0.5).tolist() == [1]
    assert kept(np.zeros(0), np.zeros((0, 0)), 0.5).tolist() == []


def test_the_largest_overlaps_are_matched_first() -> None:
    shared = np.array([[0.6, 0.9], [0.0, 0.8], [0.7, 0.0]])
    assert matched(shared).tolist() == [1, -1, 0]
    assert matched(shared, 0.95).tolist() == [-1, -1, -1]
    assert matched(np.zeros((2, 0))).tolist() == [-1, -1]


def test_boxes_in_the_same_place_are_pairs_whatever_they_are_called() -> None:
    first = [box(0.0, 0.0, 0.5, 0.5), box(0.5, 0.5, 0.5, 0.5)]
    second = [box(0.5, 0.5, 0.5, 0.4, "dog")]
    assert pairs_of(first, second).tolist() == [-1, 0]
    assert pairs_of(first, []).tolist() == [-1, -1]


TRUTH = [box(0.0, 0.0, 0.4, 0.4), box(0.5, 0.5, 0.4, 0.4)]


def test_a_box_is_found_once() -> None:
    """By the surest that overlaps it: a second one, of another label or elsewhere is wrong."""
    found = [
        (box(0.0, 0.0, 0.4, 0.4), 0.6),
        (box(0.0, 0.0, 0.4, 0.35), 0.9),
        (box(0.5, 0.5, 0.4, 0.4, "dog"), 0.8),
        (box(0.55, 0.5, 0.4, 0.4), 0.3),
        (box(0.9, 0.0, 0.1, 0.1), 0.3),
    ]
    assert is_right(found, TRUTH).tolist() == [False, True, False, True, False]
    assert is_right(found, []).tolist() == [False] * 5
    assert is_right([], TRUTH).tolist() == []


@pytest.mark.parametrize(
    ("right", "truths", "expected"),
    [
        ([True, True], 2, 1.0),
        ([True, False, True], 2, (1.0 + 2 / 3) / 2),
        ([False, True], 1, 0.5),
        ([False, True, True], 2, (2 / 3 + 2 / 3) / 2),
        ([True], 4, 0.25),
        ([False], 3, 0.0),
        ([], 3, 0.0),
        ([], 0, None),
    ],
)
def test_average_precision(right: list[bool], truths: int, expected: float | None) -> None:
    """Where precision rises again with recall, the better one counts."""
    sure = np.linspace(0.9, 0.1, len(right))
    found = average_precision(np.array(right, dtype=np.bool_), sure, truths)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_mean_is_over_labels_that_occur() -> None:
    found = [[(box(0.0, 0.0, 0.4, 0.4), 0.9), (box(0.0, 0.0, 0.4, 0.4, "dog"), 0.9)], []]
    truth = [[box(0.0, 0.0, 0.4, 0.4)], [box(0.0, 0.0, 0.4, 0.4)]]
    of_labels = average_precisions(found, truth, ("cat", "dog"))
    assert of_labels == {"cat": 0.5, "dog": None}
    assert mean_average_precision(found, truth, ("cat", "dog")) == 0.5
    assert mean_average_precision([[]], [[]], ("cat",)) is None


def test_counts() -> None:
    pictures = [[box(0, 0, 1, 1), box(0, 0, 1, 1, "dog"), box(0, 0, 1, 1)], []]
    assert counts_of(pictures, ("cat", "dog")).tolist() == [[2, 1], [0, 0]]


def test_people_who_drew_nearly_the_same_agree() -> None:
    """On the mean of where they drew it. A box that only one of three drew is none."""
    first = [box(0.0, 0.0, 0.4, 0.4), box(0.8, 0.8, 0.1, 0.1)]
    second = [box(0.02, 0.0, 0.4, 0.4)]
    third = [box(0.04, 0.0, 0.4, 0.4)]
    agreed = agreed_boxes([first, second, third])
    assert agreed is not None
    (found,) = agreed
    assert (found.page, found.label) == (0, "cat")
    place = [found.x, found.y, found.width, found.height]
    np.testing.assert_allclose(place, [0.02, 0.0, 0.4, 0.4], atol=1e-9)


def test_half_of_the_people_decide_nothing() -> None:
    assert agreed_boxes([[box(0.0, 0.0, 0.4, 0.4)], []]) is None
    other = [box(0.0, 0.0, 0.4, 0.4, "dog")]
    assert agreed_boxes([[box(0.0, 0.0, 0.4, 0.4)], other]) is None
    assert agreed_boxes([[], []]) == ()


def test_what_is_found_in_the_place_of_a_box_counts_also_within_one_that_cannot_be_learnt() -> None:
    cat, around = Box(0, 0.4, 0.4, 0.2, 0.2, "cat"), Box(0, 0.1, 0.1, 0.8, 0.8, UNREAD)
    nearly, mistaken = replace(cat, x=0.41), replace(cat, label="dog")
    elsewhere, outside = replace(cat, x=0.65), replace(cat, x=0.0, y=0.0)
    found = [nearly, mistaken, elsewhere, outside]
    assert outside_unread(found, [cat, around]) == [nearly, mistaken, outside]
    assert outside_unread(found, [replace(cat, page=1), around]) == [outside]
    assert outside_unread(found, []) == found
