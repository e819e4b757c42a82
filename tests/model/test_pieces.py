"""Pieces of sounds: when two are the same, what people agree on, and how steps become pieces."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from model.snapshot import Policy
from model.spans.learner import (
    LEAST_OF_A_SOUND,
    SpanSnapshot,
    _sample,
    _to_learn,
    predicted_spans,
    span_round,
)
from model.spans.pieces import OF_SOUNDS, agreed_pieces, equal, overlapping, smooth, with_changes
from model.spans.tags import Span, Tokens, decode, tag_names
from model.types import Floats

TAGS = tag_names(("a", "b"))


def piece(start: int, end: int, label: str = "a") -> Span:
    return Span(start, end, label)


@pytest.mark.parametrize(
    ("found", "is_right"),
    [
        (piece(1000, 2000), True),
        (piece(1000, 1500), True),
        (piece(1000, 1499), False),
        (piece(500, 2500), True),
        (piece(499, 2500), False),
        (piece(1000, 2000, "b"), False),
        (piece(2000, 3000), False),
    ],
)
def test_a_piece_is_right_from_half_of_the_union_on(found: Span, is_right: bool) -> None:
    marked = piece(1000, 2000)
    assert overlapping([found], [marked]) == ([(found, marked)] if is_right else [])


def test_each_piece_is_found_once_by_the_one_that_fits_best() -> None:
    marked = [piece(1000, 2000), piece(2000, 3000)]
    better, worse = piece(1000, 1900), piece(1000, 1800)
    assert overlapping([worse, better], marked) == [(better, marked[0])]
    assert overlapping([], marked) == overlapping(marked, []) == []


def test_spans_of_texts_are_right_to_the_character() -> None:
    marked = [piece(0, 3), piece(4, 8)]
    assert equal([piece(0, 3), piece(4, 7)], marked) == [(piece(0, 3), piece(0, 3))]


def test_people_agree_where_more_than_half_of_them_marked() -> None:
    votes = [[piece(1000, 2000)], [piece(1100, 2100)], [piece(1400, 1600), piece(5000, 6000, "b")]]
    assert agreed_pieces(votes) == [piece(1100, 2000)]
    assert agreed_pieces(votes[:2]) == [piece(1100, 2000)]


def test_what_one_person_marked_stays_as_it_is() -> None:
    overlapped = [piece(1000, 2000), piece(1500, 2500), piece(2000, 3000, "b")]
    assert agreed_pieces([overlapped]) == overlapped


def test_pieces_of_one_person_that_overlap_count_once() -> None:
    twice = [piece(1000, 2000), piece(1500, 2500)]
    assert agreed_pieces([twice, [], []]) == []
    assert agreed_pieces([twice, twice, []]) == [piece(1000, 2500)]


def test_nothing_is_agreed_where_people_marked_different_stretches() -> None:
    """That is not the same as an answer that there is nothing."""
    assert agreed_pieces([[piece(0, 1000)], [piece(2000, 3000)]]) is None
    assert agreed_pieces([[piece(0, 1000)], []]) is None
    assert agreed_pieces([[], []]) == []


def probs_of(*likely: tuple[str, float]) -> Floats:
    """A tag and its probability for each step, the rest divided equally among the others."""
    rows = np.zeros((len(likely), len(TAGS)), np.float32)
    for row, (tag, sure) in enumerate(likely):
        rows[row] = (1 - sure) / (len(TAGS) - 1)
        rows[row, TAGS.index(tag)] = sure
    return rows


def named(tags: np.ndarray) -> str:
    return " ".join(TAGS[tag] for tag in tags.tolist())


def test_single_steps_that_flicker_are_smoothed() -> None:
    steps = [
        ("B-a", 0.8),
        ("I-a", 0.8),
        ("O", 0.6),
        ("I-a", 0.8),
        ("O", 0.8),
        ("I-b", 0.6),
        ("O", 0.8),
    ]
    found = smooth(probs_of(*steps), np.array([0, 7]))
    assert named(found) == "B-a I-a I-a I-a O O O"


def test_a_single_step_that_is_sure_is_a_piece() -> None:
    found = smooth(probs_of(("O", 0.99), ("B-b", 0.999), ("O", 0.99)), np.array([0, 3]))
    assert named(found) == "O B-b O"


def test_a_piece_is_divided_where_another_one_begins() -> None:
    steps = [("B-a", 0.8), ("I-a", 0.8), ("B-a", 0.6), ("I-a", 0.8)]
    assert named(smooth(probs_of(*steps), np.array([0, 4]))) == "B-a I-a B-a I-a"


def test_sounds_do_not_run_into_each_other() -> None:
    steps = [("O", 0.9), ("B-a", 0.9), ("I-a", 0.9), ("I-a", 0.9)]
    assert named(smooth(probs_of(*steps), np.array([0, 3, 4]))) == "O B-a I-a B-a"
    assert smooth(np.zeros((0, 5), np.float32), np.array([0])).tolist() == []


def test_what_changes_around_a_step_stands_beside_it() -> None:
    states = np.array([[1, 0], [1, 0], [0, 1], [4, 4], [4, 5]], np.float16)
    tokens = Tokens(states, np.zeros((5, 2), np.int64), np.array([0, 3, 5]))
    found = with_changes(tokens)
    assert found.states[:, :2].tolist() == states.tolist()
    assert found.states[:, 2:].tolist() == [[0, 0], [1, 1], [1, 1], [0, 1], [0, 1]]
    one = with_changes(Tokens(states[:1], np.zeros((1, 2), np.int64), np.array([0, 1])))
    assert one.states.tolist() == [[1, 0, 0, 0]]


def test_a_sample_keeps_as_many_steps_within_pieces_as_outside() -> None:
    targets = np.eye(3, dtype=np.float32)[[0] * 40 + [1] + [2] * 9]
    rows, counts = _sample(targets, 5)
    assert targets[rows].sum(axis=0)[0] == 5
    assert counts.tolist() == [2.0] * 5 + [8.0] * 5
    assert len(np.unique(rows)) == 10
    few, ones = _sample(targets[38:43], 5)
    assert (sorted(few.tolist()), ones.tolist()) == ([0, 1, 2, 3, 4], [1.0] * 5)


N, STEPS = 60, 30
RNG = np.random.default_rng(1)
STARTS, LENGTHS = RNG.integers(2, 12, N), RNG.integers(5, 15, N)
INSIDE = (np.arange(STEPS) >= STARTS[:, None]) & (np.arange(STEPS) < (STARTS + LENGTHS)[:, None])
NOISE = RNG.normal(0.0, 0.15, (N, STEPS, 4))
STATES = (np.stack([INSIDE, ~INSIDE, INSIDE, ~INSIDE], axis=2) + NOISE).astype(np.float16)
PLACES = 100 * np.stack([np.arange(STEPS), np.arange(1, STEPS + 1)], axis=1)
MADE = Tokens(STATES.reshape(-1, 4), np.tile(PLACES, (N, 1)), STEPS * np.arange(N + 1))
MARKED = [
    [piece(100 * start + 30, 100 * (start + length) - 40)]
    for start, length in zip(STARTS.tolist(), LENGTHS.tolist(), strict=True)
]


def pool(answered: int) -> SpanSnapshot:
    rows = np.arange(answered)
    open_rows = np.arange(N) >= answered
    return SpanSnapshot(
        np.arange(N), MADE.take, open_rows, rows, MARKED[:answered], ("a",), rules=OF_SOUNDS
    )


def test_pieces_are_found_in_sounds_that_nobody_marked_and_measured_by_overlap() -> None:
    outcome = span_round(pool(40), Policy("margin", 5, 0.25, 0))
    assert outcome.head is not None
    rest = np.arange(40, N)
    said = predicted_spans(outcome.head, MADE.take(rest), ("a",), OF_SOUNDS)
    for row, found in zip(rest.tolist(), said, strict=True):
        assert [one for one, _ in overlapping([span for span, _ in found], MARKED[row])]
        assert all(first.end <= second.start for (first, _), (second, _) in pairwise(found))
    assert outcome.metrics["micro_f1"]["value"] > 0.8
    assert len(outcome.rows) == 5


def test_however_many_sounds_are_labelled_a_head_is_fitted_to_a_bounded_number_of_steps() -> None:
    states, targets, counts, centre = _to_learn(pool(40), np.ones(40, bool))
    assert len(states) == len(targets) == 40 * STEPS, "few sounds are read whole"
    assert counts.sum() == 40 * STEPS
    assert centre.shape == (8,)
    tight = replace(pool(40), rules=replace(OF_SOUNDS, most=0))
    states, targets, counts, _ = _to_learn(tight, np.ones(40, bool))
    assert len(states) <= 40 * 2 * LEAST_OF_A_SOUND
    assert counts.sum() == pytest.approx(40 * STEPS)


def test_texts_are_decoded_as_before() -> None:
    probs = np.array([[0.5, 0.1, 0.4], [0.2, 0.1, 0.7]], np.float32)
    assert decode(probs, np.array([0, 2])).tolist() == [0, 0]
    probs[0] = [0.4, 0.35, 0.25]
    assert decode(probs, np.array([0, 2])).tolist() == [1, 2]
