"""Pictures of made-up proposals: a state is a point on a circle, and some of them are cats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.boxes.geometry import UNREAD, Box
from model.boxes.learner import (
    NOTHING,
    UNKNOWN,
    BoxSnapshot,
    box_round,
    cross_validated,
    doubt,
    found_boxes,
    known_things,
    mean_precision,
    probs_of,
    targets_of,
)
from model.boxes.proposals import Proposals, log_odds
from model.choosing.audit import in_reserve
from model.choosing.strategies import STRATEGIES
from model.snapshot import Policy
from model.storage.proposals import ProposalStore
from model.types import Ints

N, EACH = 120, 6
LABELS = ("cat", "dog")
THINGS = ("Cat", "car")
POLICY = Policy("margin", 12, 0.1, 0)
RNG = np.random.default_rng(5)
KIND = RNG.choice(3, (N, EACH), p=(0.6, 0.25, 0.15))
ANGLE = np.array([0.0, 2.0, 4.0])[KIND] + RNG.normal(0.0, 0.3, KIND.shape)
STATES = np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=2).astype(np.float16)
WHERE = [[0.16 * place, 0.1, 0.15, 0.3] for place in range(EACH)]
"""Side by side."""
SCORES = np.stack([np.where(KIND == 1, 0.7, 0.1), np.full(KIND.shape, 0.05)], axis=2)


def take(rows: Ints) -> Proposals:
    count = EACH * len(rows)
    return Proposals(
        STATES[rows].reshape(-1, 2),
        np.tile(WHERE, (len(rows), 1)).astype(np.float32),
        SCORES[rows].reshape(-1, 2).astype(np.float16),
        np.tile([0, 640, 480], (count, 1)),
        EACH * np.arange(len(rows) + 1),
    )


def boxes_of(row: int) -> list[Box]:
    """As people draw them: not quite where the proposals are."""
    return [
        Box(0, WHERE[place][0] + 0.01, 0.1, 0.15, 0.28, LABELS[KIND[row, place] - 1])
        for place in np.flatnonzero(KIND[row]).tolist()
    ]


def pool(answered: int, things: tuple[str, ...] = THINGS) -> BoxSnapshot:
    rows = np.arange(answered)
    boxes = [boxes_of(row) for row in range(answered)]
    ids = np.arange(1000, 1000 + N)
    return BoxSnapshot(ids, take, np.arange(N) >= answered, rows, boxes, LABELS, things)


def test_things_are_found_in_pictures_that_nobody_has_seen() -> None:
    outcome = box_round(pool(60), POLICY)
    assert outcome.head is not None
    assert outcome.head.labels == (NOTHING, *LABELS)
    rest = np.arange(60, N)
    truth = [boxes_of(row) for row in rest.tolist()]
    reached = mean_precision(outcome.head, take(rest), truth, THINGS)
    assert reached is not None
    assert reached > 0.95


def test_before_any_label_the_detector_is_believed() -> None:
    """Of what it knows by name, whatever the case. Of the others nothing is drawn."""
    outcome = box_round(pool(0), POLICY)
    assert outcome.head is not None
    assert outcome.fitted is None
    probs = probs_of(outcome.head, take(np.array([0])), THINGS)
    odds = np.exp(log_odds(SCORES[0, :, 0]))
    np.testing.assert_allclose(probs[:, 1], odds / (1 + odds + np.exp(UNKNOWN)), rtol=1e-3)
    (found,) = found_boxes(probs, take(np.array([0])), LABELS)
    assert {box.label for box, _ in found} == {"cat"}


def test_before_any_label_a_detector_of_other_things_says_nothing() -> None:
    outcome = box_round(pool(0, ("car",)), POLICY)
    assert outcome.head is None
    assert len(outcome.rows) == POLICY.size
    assert known_things(LABELS, ("car", "DOG", "dog")).tolist() == [-1, 1]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_chooses_open_pictures_once(strategy: str) -> None:
    for answered in (0, 3, 40):
        rows = box_round(pool(answered), replace(POLICY, strategy=strategy)).rows
        assert len(set(rows.tolist())) == POLICY.size
        assert rows.min() >= answered


def test_audit_pictures_measure_and_are_not_learnt() -> None:
    outcome = box_round(pool(60), POLICY)
    held_out = in_reserve(pool(60).ids, POLICY.audit_share, POLICY.seed)[:60]
    assert outcome.validation.tolist() == np.flatnonzero(held_out).tolist()
    assert outcome.training.tolist() == np.flatnonzero(~held_out).tolist()
    assert outcome.metrics["examples"] == held_out.sum()
    drawn = [box for row in outcome.validation.tolist() for box in boxes_of(row)]
    support = {label: one["support"] for label, one in outcome.metrics["labels"].items()}
    assert support == {label: sum(box.label == label for box in drawn) for label in LABELS}
    assert outcome.metrics["micro_f1"]["value"] > 0.9
    of_labels = [outcome.metrics["labels"][label]["average_precision"] for label in LABELS]
    assert min(of_labels) > 0.9
    assert outcome.metrics["mean_average_precision"] == pytest.approx(np.mean(of_labels))


def test_a_pinned_head_stays() -> None:
    first = box_round(pool(60), POLICY)
    again = box_round(pool(80), POLICY, fixed=first.head)
    assert again.head is first.head
    assert again.fitted is None


def test_pictures_without_boxes_teach_that_nothing_is_there() -> None:
    """The detector's cats are none in this project."""
    rows = np.arange(40)
    snapshot = replace(pool(0), answered=rows, boxes=[[] for _ in rows], open=np.arange(N) >= 40)
    head = box_round(snapshot, POLICY).head
    assert head is not None
    probs = probs_of(head, take(np.arange(40, N)), THINGS)
    assert not any(found_boxes(probs, take(np.arange(40, N)), LABELS))


def test_one_proposal_has_the_label_of_a_box() -> None:
    """The one that the detector prefers of those that overlap it enough."""
    places = [
        [0.0, 0.0, 0.4, 0.4],
        [0.02, 0.0, 0.4, 0.4],
        [0.0, 0.0, 0.4, 0.2],
        [0.5, 0.5, 0.2, 0.2],
    ]
    proposals = Proposals(
        np.ones((4, 2), np.float16),
        np.array(places, dtype=np.float32),
        np.array([[0.2], [0.9], [0.9], [0.9]], dtype=np.float16),
        np.tile([0, 64, 64], (4, 1)),
        np.array([0, 4]),
    )
    drawn = [[Box(0, 0.0, 0.0, 0.4, 0.4, "dog"), Box(0, 0.0, 0.0, 0.4, 0.4, "of old")]]
    assert targets_of(drawn, proposals, LABELS).argmax(axis=1).tolist() == [0, 2, 0, 0]
    other_page = [[replace(drawn[0][0], page=1)]]
    assert not targets_of(other_page, proposals, LABELS)[:, 1:].any()


def test_what_cannot_be_learnt_is_not_taught_as_nothing() -> None:
    """Of half of the cats people drew boxes that cannot be learnt."""

    def hidden(row: int) -> list[Box]:
        return [
            replace(box, label=UNREAD) if box.label == "cat" and (row + place) % 2 else box
            for place, box in enumerate(boxes_of(row))
        ]

    snapshot = replace(pool(60), boxes=[hidden(row) for row in range(60)])
    targets = targets_of(snapshot.boxes, take(np.arange(60)), LABELS)
    unread = sum(box.label == UNREAD for boxes in snapshot.boxes for box in boxes)
    assert 0 < unread <= int((targets.sum(axis=1) == 0).sum())
    outcome, whole = box_round(snapshot, POLICY), box_round(pool(60), POLICY)
    assert outcome.head is not None
    rows = np.arange(60, N)
    found = found_boxes(probs_of(outcome.head, take(rows), THINGS), take(rows), LABELS)
    said = sum(box.label == "cat" for boxes in found for box, _ in boxes)
    true = sum(box.label == "cat" for row in rows.tolist() for box in boxes_of(row))
    assert 0.9 * true < said < 1.1 * true
    measured, alone = outcome.metrics["labels"]["cat"], whole.metrics["labels"]["cat"]
    assert measured["support"] < alone["support"]
    assert measured["precision"]["value"] > 0.9, "a cat that people drew so is no mistake"


def test_what_is_drawn_is_sure_enough_and_no_double() -> None:
    probs = np.tile([0.1, 0.9, 0.0], (EACH, 1)).astype(np.float32)
    probs[2:] = [0.7, 0.3, 0.0]
    proposals = take(np.array([0]))
    proposals.boxes[1] = proposals.boxes[0]
    ((first, *others),) = found_boxes(probs, proposals, LABELS)
    place = [first[0].x, first[0].y, first[0].width, first[0].height]
    np.testing.assert_allclose(place, WHERE[0], atol=1e-6)
    assert first[1] == pytest.approx(0.9)
    assert others == []


def test_full_pictures_of_which_little_is_sure_come_first() -> None:
    half, sure = [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]
    probs = np.array([half, half, half, sure, sure, sure])
    np.testing.assert_allclose(doubt(probs, np.array([0, 2, 4, 6])), np.log([4.0, 2.0, 1.0]))


def test_cross_validated_heads_have_not_learnt_what_they_are_asked() -> None:
    """A wrong label is not believed by heads that never saw it."""
    snapshot = pool(60)
    row = int(np.flatnonzero((KIND[:60] == 1).any(axis=1))[0])
    wrong = [replace(box, label="dog") for box in boxes_of(row)]
    boxes = [wrong if place == row else boxes_of(place) for place in range(60)]
    probs = cross_validated(replace(snapshot, boxes=boxes), 0)
    is_cat = np.flatnonzero(KIND[row] == 1) + EACH * row
    assert (probs[is_cat, 1] > 0.5).all()


def test_proposals_come_back_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    store = ProposalStore(tmp_path, 2, 2)
    kept = take(np.array([3, 4, 5]))
    assert store.append(np.array([30, 40, 50]), kept).tolist() == []
    store = ProposalStore(tmp_path, 2, 2)
    rows = store.rows(np.array([50, 60, 30]))
    assert rows.tolist() == [2, -1, 0]
    found = store.take(rows[[0, 2]])
    np.testing.assert_array_equal(found.states, take(np.array([5, 3])).states)
    np.testing.assert_array_equal(found.boxes, take(np.array([5, 3])).boxes)
    np.testing.assert_array_equal(found.scores, take(np.array([5, 3])).scores)
    assert found.pages[0].tolist() == [0, 640, 480]
    assert len(found) == 2
    np.testing.assert_array_equal(found.example(1).states, take(np.array([3])).states)


def test_proposals_that_are_not_numbers_are_not_kept(tmp_path: Path) -> None:
    store, found = ProposalStore(tmp_path, 2, 2), take(np.array([3, 4]))
    found.states[EACH] = np.nan
    assert store.append(np.array([30, 40]), found).tolist() == [1]
    assert store.rows(np.array([30, 40])).tolist() == [0, -1]
