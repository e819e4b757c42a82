"""What the head of an earlier project says here, exactly."""

from dataclasses import replace

import numpy as np
import pytest

from model.heads.head import Head
from model.heads.sources import Source
from model.transferred import votes_of
from model.types import Kind

NORTH, EAST, SOUTH = (0.0, 1.0), (1.0, 0.0), (0.0, -1.0)
VECTORS = np.array([NORTH, EAST, SOUTH, EAST], np.float32)
CENTRE = np.zeros(2, np.float32)


def head(kind: Kind) -> Head:
    """Of three labels, which point north, east and south."""
    weights = 4.0 * np.array([NORTH, EAST, SOUTH], np.float32).T
    bias = np.full(3, 0.0 if kind == "single" else -2.0, np.float32)
    return Head(kind, ("north", "east", "south"), weights, bias, np.full(2, 9.0, np.float32))


def votes(source: Source, count: int) -> dict[int, list[float]]:
    """Each row that has a vote, and the vote."""
    found = source.votes(np.arange(len(source.rows)), count)
    return dict(zip(source.rows.tolist(), found.tolist(), strict=True))


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ("single", "single", {0: [0, 1, 0], 1: [1, 0, 0], 3: [1, 0, 0]}),
        ("single", "multiple", {0: [0, 1, 0], 1: [1, 0, 0], 3: [1, 0, 0]}),
        ("multiple", "single", {0: [0, 1, 0], 1: [1, 0, 0], 3: [1, 0, 0]}),
        ("multiple", "multiple", {0: [0, 1, 0], 1: [1, 0, 0], 3: [1, 0, 0]}),
    ],
)
def test_decisions_become_votes_for_the_labels_that_are_here(
    theirs: Kind, ours: Kind, expected: dict[int, list[float]]
) -> None:
    """South is no label here: of a text that has only that, nothing is said. The centre is the one
    of these vectors."""
    source = votes_of("project 3", head(theirs), VECTORS, CENTRE, {0: 1, 1: 0}, ours)
    assert source.name == "project 3"
    assert votes(source, 3) == expected
    assert source.is_blind.all(), "it has seen none of the labels here"


def test_two_labels_that_are_one_here_are_one_vote() -> None:
    source = votes_of("p", head("single"), VECTORS, CENTRE, {0: 0, 2: 0}, "single")
    assert votes(source, 1) == {0: [1], 2: [1]}


def test_two_labels_where_one_is_asked_for_are_no_vote() -> None:
    both = replace(head("multiple"), bias=np.full(3, 1.0, np.float32))
    source = votes_of("p", both, VECTORS, CENTRE, {0: 0, 1: 1}, "single")
    assert votes(source, 2) == {2: [0, 1]}, "south is east, too, and not north"


def test_where_several_may_be_given_none_at_all_is_a_vote() -> None:
    strict = replace(head("multiple"), bias=np.array([-2.0, -9.0, -2.0], np.float32))
    source = votes_of("p", strict, VECTORS, CENTRE, {0: 0, 1: 1}, "multiple")
    assert votes(source, 2) == {0: [1, 0], 1: [0, 0], 3: [0, 0]}, "of south nothing is said"
    assert votes(votes_of("p", strict, VECTORS, CENTRE, {0: 0}, "single"), 1) == {0: [1]}


def test_of_nothing_nothing_is_said() -> None:
    source = votes_of("p", head("single"), VECTORS[:0], CENTRE, {0: 0}, "single")
    assert (len(source.rows), source.bounds.tolist()) == (0, [0])
