"""Near copies: cleaning, pairs of near vectors, who leads, what is held back, and their file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.choosing.choice import Choice
from model.choosing.copies import NEAR, PARTNERS, cleaned, held_back, leaders_of, near_pairs
from model.heads.head import centred
from model.snapshot import Policy, Snapshot
from model.storage.copies import FILE, NO_COPIES, Copies, load_copies, save_copies
from model.types import Bools, Ints


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is  my CARD?", "where is my card"),
        ("“Where” is my card!!!", "where is my card"),
        ("top-up (again)", "top up again"),
        ("\uff26\uff55\uff4c\uff4c", "full"),
        ("很好\uff0c下次还来\uff01", "很好 下次还来"),
        ("It costs 3.5 %", "it costs 3 5 %"),
        ("below -5", "below -5"),
        ("fine :)", "fine )"),
        ("fine :(", "fine ("),
        ("👍", "👍"),
        ("?!", "?!"),
        ("", ""),
    ],
)
def test_cleaned(text: str, expected: str) -> None:
    assert cleaned(text) == expected


def test_signs_that_say_something_are_kept() -> None:
    pairs = [("3.5", "35"), ("5 %", "5"), (":)", ":("), ("good 👍", "good 👎"), ("-5", "5")]
    assert not [pair for pair in pairs if cleaned(pair[0]) == cleaned(pair[1])]


def test_near_pairs_are_those_above_the_threshold() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((400, 32)).astype(np.float32)
    for copy, of, noise in ((100, 7, 0.0), (300, 7, 0.1), (200, 11, 0.15), (250, 12, 0.6)):
        vectors[copy] = vectors[of] + noise * rng.standard_normal(32)
    centre = vectors.mean(axis=0)
    directions = centred(vectors, centre)
    cosines = np.triu(directions @ directions.T, 1)
    expected = np.argwhere(cosines >= NEAR).tolist()
    assert expected == [[7, 100], [7, 300], [11, 200], [100, 300]]
    told: list[float] = []
    assert near_pairs(vectors, centre, 0, advanced=told.append).tolist() == expected
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_many_copies_of_one_are_one_group() -> None:
    """They fell into seven groups, and each had hundreds of pairs in memory."""
    rng = np.random.default_rng(0)
    copies = rng.standard_normal(32) + 0.02 * rng.standard_normal((600, 32))
    vectors = np.concatenate([copies, rng.standard_normal((600, 32))]).astype(np.float32)
    pairs = near_pairs(vectors, vectors.mean(axis=0), 0)
    assert (leaders_of(pairs, 1200)[:600] == 0).all()
    assert np.bincount(pairs[:, 1]).max() == PARTNERS


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_near_pairs_of_few_and_of_equal_vectors(count: int) -> None:
    vectors = np.ones((count, 3), np.float32)
    pairs = near_pairs(vectors, np.zeros(3, np.float32), 0)
    assert (leaders_of(pairs, count) == 0).all(), "all of them are one group"
    assert near_pairs(vectors, np.ones(3, np.float32), 0).size == 0, "they have no direction"


def test_a_leader_leads_itself() -> None:
    pairs = np.array([[2, 3], [0, 1], [1, 2], [0, 4]])
    assert leaders_of(pairs, 6).tolist() == [0, 0, 2, 2, 0, 5]
    assert leaders_of(pairs[::-1], 6).tolist() == [0, 0, 2, 2, 0, 5]


def rows(*places: int) -> Bools:
    found = np.zeros(8, np.bool_)
    found[list(places)] = True
    return found


def test_what_is_held_back() -> None:
    groups: Ints = np.array([5, 5, 5, -1, 6, 6, 7, 7])
    is_open = rows(0, 1, 2, 3, 5, 6, 7)
    held = held_back(groups, is_open, np.array([4]), rows(6))
    assert np.flatnonzero(held).tolist() == [1, 2, 5], "an audit task stands for nothing"
    held = held_back(groups, is_open, np.array([3, 4]), rows(0))
    assert np.flatnonzero(held).tolist() == [2, 5, 7]
    assert not held_back(None, is_open, np.array([4]), rows()).any()


@pytest.mark.parametrize("strategy", ["variance", "margin", "random"])
def test_copies_come_last_in_the_order(strategy: str) -> None:
    rng = np.random.default_rng(1)
    texts = rng.standard_normal((5, 8)).astype(np.float32)
    snapshot = Snapshot(
        ids=np.arange(20),
        vectors=np.tile(texts, (4, 1)),
        open=np.arange(20) != 0,
        answered=np.array([0]),
        targets=np.array([[1.0, 0.0]]),
        labels=("a", "b"),
        kind="single",
        copies=np.tile(np.arange(5), 4),
    )
    audits, policy = np.arange(20) == 19, Policy(strategy, 30, 0.0, 0)
    centre = snapshot.vectors[np.arange(20)].mean(axis=0)
    chosen = Choice(snapshot, policy, None, centre, audits, audits).rows()
    assert sorted(chosen.rows.tolist()) == list(range(1, 20)), "none is lost"
    first = [row for row in chosen.rows.tolist() if row != 19][:4]
    assert sorted(first) == [1, 2, 3, 4]
    assert chosen.copies.sum() == 14
    assert not chosen.copies[np.isin(chosen.rows, [*first, 19])].any()
    few = replace(policy, size=3)
    assert len(Choice(snapshot, few, None, centre, audits, audits).rows().rows) == 3


def test_copies_on_disk(tmp_path: Path) -> None:
    assert load_copies(tmp_path) is None
    least = -(2**63) + 1  # further from 9 than a number can say
    found = Copies(np.array([least, 5, 9]), np.array([9, 5, 9]), 7, 4, -3, 0.5)
    save_copies(tmp_path, found)
    read = load_copies(tmp_path)
    assert read is not None
    assert (read.are_those_of(found), read.contents, read.encoded, read.seconds) == (
        True,
        7,
        4,
        0.5,
    )
    assert read.groups(np.array([9, least, 1, 5])).tolist() == [9, 9, 1, 5]
    assert NO_COPIES.groups(np.array([9, -3])).tolist() == [9, -3]
    (tmp_path / FILE).write_bytes(b"half")
    assert load_copies(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] != [FILE], "it is kept aside"
