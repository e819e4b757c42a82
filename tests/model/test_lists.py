"""What is chosen of an example's own candidates, and their order."""

import numpy as np
import pytest

from model.choosing.strategies import STRATEGIES
from model.heads.calibration import fit_calibration
from model.heads.deciding import decisions
from model.heads.head import Head, fit_head
from model.heads.lists import (
    ABSENT,
    as_pairs,
    comparable,
    features_of,
    list_logits,
    scores_of,
    strengths_of,
)
from model.heads.orders import ORDERED, ORDERS, PLACES, order_of
from model.learner import fast_round
from model.snapshot import Policy, Snapshot
from model.types import MOST_CANDIDATES, Floats, Kind

LABELS: dict[Kind, tuple[str, ...]] = {
    "candidate": PLACES,
    "candidates": PLACES,
    "ranking": ORDERS,
}


def vectors_of(*lists: list[list[float]], beside: tuple[float, ...] = (0.0, 0.0)) -> Floats:
    """Vectors of lists of candidates in the plane, with the same beside each."""
    found = np.zeros((len(lists), MOST_CANDIDATES + 1, 2), np.float32)
    for row, candidates in enumerate(lists):
        found[row, : len(candidates)] = candidates
    found[:, -1] = beside
    return found.reshape(len(lists), -1)


def made(kind: Kind, n: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Lists of two to five candidates, of which those that point one way are the better ones."""
    rng = np.random.default_rng(seed)
    things = rng.normal(size=(n, MOST_CANDIDATES + 1, 8))
    things /= np.linalg.norm(things, axis=2, keepdims=True)
    size = rng.integers(2, 6, n)
    things[:, -1] = 0
    things[np.arange(MOST_CANDIDATES + 1)[None] >= size[:, None]] = 0
    worth = np.where(np.arange(MOST_CANDIDATES) < size[:, None], things[:, :-1, 0], -9.0)
    if kind == "candidate":
        targets = np.eye(MOST_CANDIDATES)[worth.argmax(axis=1)]
    elif kind == "candidates":
        targets = (worth > 0).astype(float)
    else:
        first, second = np.array(ORDERED).T
        targets = ((worth[:, first] > worth[:, second]) & (worth[:, second] > -9)).astype(float)
    return things.reshape(n, -1).astype(np.float32), targets.astype(np.float32)


def test_a_candidate_is_read_as_what_it_has_more_than_the_mean_of_its_list() -> None:
    vectors = vectors_of([[1, 0], [0, 1]], beside=(0.0, 2.0))
    rows, places = np.array([0, 0]), np.array([0, 1])
    found = features_of(vectors, rows, places)
    along = 0.5 * np.sqrt(2) * 2.0
    expected = [[0.5, -0.5, 0, -0.5 * along, -3.0], [-0.5, 0.5, 0, 0.5 * along, 3.0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    weights = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_allclose(scores_of(vectors, weights)[0, :2], found @ weights, rtol=1e-5)


def test_the_logits_are_scores_and_those_of_an_order_their_differences() -> None:
    vectors = vectors_of([[1, 0], [0, 1], [-1, 0]])
    weights = np.array([1.0, 0, 0, 0, 0])
    chosen = list_logits(vectors, weights, 0.5, "candidates")
    assert chosen[0].tolist() == [1.5, 0.5, -0.5, *[ABSENT] * 7]
    order = list_logits(vectors, weights, 0.0, "ranking")[0]
    known = {ORDERS[place]: order[place] for place in np.flatnonzero(order > ABSENT)}
    assert known == {"1>2": 1, "1>3": 2, "2>1": -1, "2>3": 1, "3>1": -2, "3>2": -1}
    assert strengths_of(order[None], "ranking")[0, :3].tolist() == [1.0, 0.0, -1.0]


def test_the_order_is_that_of_how_many_others_each_precedes() -> None:
    assert order_of({"3>1", "3>2", "1>2"}) == [2, 0, 1]
    assert order_of(set()) == []


def test_what_an_order_leaves_open_is_neither_right_nor_wrong() -> None:
    truth = np.array([[order in ("1>2", "1>3") for order in ORDERS]])
    known = [ORDERS[place] for place in np.flatnonzero(comparable(truth, "ranking")[0])]
    assert known == ["1>2", "1>3", "2>1", "3>1"]
    assert comparable(truth, "candidates").all()


def test_of_two_as_probable_orders_none_is_said() -> None:
    assert decisions(np.array([[0.5, 0.5, 0.51, 0.49]]), "ranking").tolist() == [
        [False, False, True, False]
    ]


def test_the_pair_that_is_hardest_to_tell_stands_for_a_list() -> None:
    vectors = vectors_of([[1, 0], [0.9, 0], [-1, 0]], [[1, 0], [0.2, 0], [0.1, 0]])
    weights = np.array([1.0, 0, 0, 0, 0])
    logits = list_logits(vectors, weights, 0.0, "candidate")
    answered, targets = np.array([1]), np.eye(MOST_CANDIDATES)[[2]]
    differences, given = as_pairs(vectors, logits, "candidate", answered, targets)
    # The first two; then what was chosen beside the likeliest of the others, turned round.
    np.testing.assert_allclose(differences[:, 0], [0.1, 0.9], atol=2e-3)
    assert given.tolist() == [[0.0, 1.0]]
    order = list_logits(vectors, weights, 0.0, "ranking")
    nobody = np.zeros(0, np.int64)
    differences, _ = as_pairs(vectors, order, "ranking", nobody, np.zeros((0, len(ORDERS))))
    np.testing.assert_allclose(differences[:, 0], [0.1, -0.1], atol=2e-3)


@pytest.mark.parametrize("kind", list(LABELS))
def test_what_is_better_is_learnt(kind: Kind) -> None:
    vectors, targets = made(kind, 400)
    centre = vectors.mean(axis=0)
    head = fit_head(vectors[:200], targets[:200], kind, LABELS[kind], centre)
    assert head.weights.shape == (17, 1)
    answers = head.answers(head.probs(vectors[200:]))
    truth = targets[200:] > 0
    assert (answers == truth).mean() > 0.94
    again = fit_head(vectors[:200], targets[:200], kind, LABELS[kind], centre, start=head)
    np.testing.assert_allclose(again.weights, head.weights, atol=0.02)


@pytest.mark.parametrize("kind", list(LABELS))
def test_candidates_may_change_places(kind: Kind) -> None:
    """No place is the likelier one, and nothing is said of places without a candidate."""
    head = Head(kind, LABELS[kind], np.array([[1.0], [0], [0], [0], [0]]), np.zeros(1), np.zeros(5))
    vectors = vectors_of([[1, 0], [0, 1]], [[0, 1], [1, 0]])
    probs = head.probs(vectors)
    changed = [ORDERS.index("2>1"), *range(1, len(ORDERS))] if kind == "ranking" else [1, 0]
    assert probs[0, changed[0]] == probs[1, 0]
    absent = ORDERS.index("1>3") if kind == "ranking" else 2
    assert (probs[:, absent] < 1e-15).all()


def test_one_scale_and_one_shift_calibrate_all_places() -> None:
    logits = np.full((40, MOST_CANDIDATES), ABSENT)
    logits[:, :2] = [4.0, -4.0]
    targets = np.zeros(logits.shape)
    targets[::2, 0] = targets[1::2, 1] = 1
    found = fit_calibration(logits, targets, "candidates")
    assert (found.scale.shape, found.shift.shape) == ((1,), (1,))
    assert found.scale[0] < 0.5
    assert fit_calibration(logits, targets, "candidate").scale[0] < 0.5


@pytest.mark.parametrize("strategy", list(STRATEGIES))
@pytest.mark.parametrize("kind", list(LABELS))
@pytest.mark.parametrize("answered", [0, 1, 30])
def test_every_strategy_chooses_lists(kind: Kind, strategy: str, answered: int) -> None:
    vectors, targets = made(kind, 80)
    rows = np.arange(answered)
    is_open = np.ones(80, np.bool_)
    is_open[rows] = False
    snapshot = Snapshot(np.arange(80), vectors, is_open, rows, targets[rows], LABELS[kind], kind)
    outcome = fast_round(snapshot, Policy(strategy, 10, 0.2, 1))
    assert len(set(outcome.rows.tolist())) == 10
    assert is_open[outcome.rows].all()
