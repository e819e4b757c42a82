"""What may be given away, at which precision, and which labels would change that."""

from dataclasses import replace

import numpy as np
import pytest

from model.choosing.audit import draw, in_reserve
from model.finishing import outlook
from model.finishing.goal import Goal
from model.finishing.outlook import (
    EXTRA,
    PRECISIONS,
    audited_of,
    outlook_of,
    split_of,
    to_certify,
)
from model.finishing.promise import NEVER
from model.heads.head import Head
from model.snapshot import Policy, Snapshot, measured_on
from model.types import Bools, Floats, Ints

SIZE, SEED = 2_000, 4
IDS = np.arange(1, SIZE + 1)
LOTS = draw(IDS, SEED)
POLICY = Policy("margin", 25, 0.1, SEED)
GOAL = Goal(0.9)


def slope(steepness: float) -> Head:
    """Left of the circle is a, right is b; the surer, the farther from the middle."""
    weights = np.array([[-steepness, steepness], [0.0, 0.0]], dtype=np.float32)
    return Head("single", ("a", "b"), weights, np.zeros(2), np.zeros(2))


HEAD = slope(3.0)


def everything() -> tuple[Floats, Floats]:
    """Vectors (n, 2) on a circle, and labels (n, 2) that are drawn by the head's probabilities."""
    rng = np.random.default_rng(SEED)
    angle = rng.uniform(0.0, 2.0 * np.pi, SIZE)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    is_right = rng.random(SIZE) < HEAD.probs(vectors)[:, 1]
    return vectors, np.stack([~is_right, is_right], axis=1).astype(np.float32)


VECTORS, TARGETS = everything()


def snapshot_of(answered: Ints, certified: Bools | None = None) -> Snapshot:
    rows = np.sort(answered)
    return Snapshot(
        ids=IDS,
        vectors=VECTORS,
        open=~np.isin(np.arange(SIZE), rows),
        answered=rows,
        targets=TARGETS[rows],
        labels=HEAD.labels,
        kind="single",
        certified=certified,
    )


def asked_first(snapshot: Snapshot, head: Head, goal: Goal, budget: int) -> Ints:
    known = audited_of(snapshot, head, POLICY)
    return to_certify(snapshot, POLICY, head, known, goal, budget)


RESERVE = np.flatnonzero(in_reserve(IDS, POLICY.audit_share, SEED))
BY_LOT = RESERVE[np.argsort(LOTS[RESERVE])]
LEARNT = np.setdiff1d(np.arange(0, SIZE, 7), RESERVE)
SNAPSHOT = snapshot_of(np.concatenate([RESERVE, LEARNT]))


def test_what_is_known_of_a_pool() -> None:
    known = audited_of(SNAPSHOT, HEAD, POLICY)
    assert len(known.open_probs) == SIZE - len(RESERVE) - len(LEARNT)
    assert known.weight == 1.0
    np.testing.assert_array_equal(np.sort(known.audit_lots), LOTS[BY_LOT])
    assert known.audit_truth.sum() == len(RESERVE)
    assert (np.diff(known.gap_lots) > 0).all()
    assert known.gap_lots[0] >= POLICY.audit_share


def test_a_sample_stands_for_a_large_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = split_of(HEAD, audited_of(SNAPSHOT, HEAD, POLICY), GOAL)
    monkeypatch.setattr(outlook, "LOOKED_AT", 400)
    known = audited_of(SNAPSHOT, HEAD, POLICY)
    assert (len(known.open_probs), len(known.gap_probs)) == (400, 400)
    assert known.weight == pytest.approx(SNAPSHOT.open.sum() / 400)
    part = split_of(HEAD, known, GOAL)
    assert part.coverage == pytest.approx(whole.coverage, abs=0.15)
    assert part.promises[0].tasks == pytest.approx(part.coverage * SNAPSHOT.open.sum(), abs=1)


def test_the_split_says_what_stands() -> None:
    known = audited_of(SNAPSHOT, HEAD, POLICY)
    split = split_of(HEAD, known, Goal(0.85))
    (promise,) = split.promises
    surest = known.open_probs.max(axis=1)
    assert split.coverage == (surest >= promise.threshold).mean() > 0.2
    assert promise.low >= 0.85


def test_labelled_tasks_that_may_have_been_easy_ones_count_against_a_promise() -> None:
    """Whoever labels what is easy leaves what is hard, and the audit labels do not know that."""
    known = audited_of(SNAPSHOT, HEAD, POLICY)
    assert len(known.taken_probs) == len(LEARNT)
    few = split_of(HEAD, replace(known, taken_weight=0.0), GOAL)
    many = split_of(HEAD, replace(known, taken_weight=4.0), GOAL)
    assert few.coverage > 0.2
    assert many.coverage < few.coverage
    skipped = replace(SNAPSHOT, open=SNAPSHOT.open & (np.arange(SIZE) % 2 == 0))
    gone = audited_of(skipped, HEAD, POLICY).taken_probs
    assert len(gone) == SIZE - len(RESERVE) - skipped.open.sum(), "also what people skipped"


def test_a_higher_precision_covers_less_and_the_band_lies_above() -> None:
    points = outlook_of(HEAD, audited_of(SNAPSHOT, HEAD, POLICY), Goal(0.93)).curve
    assert [point.precision for point in points] == sorted({*PRECISIONS, 0.93})
    likely = [point.likely for point in points]
    assert likely == sorted(likely, reverse=True)
    assert all(point.coverage <= point.likely for point in points)
    assert points[0].coverage > points[-1].coverage


def test_further_audit_labels_are_expected_to_cover_more() -> None:
    few = snapshot_of(np.concatenate([BY_LOT[:30], LEARNT]))
    found = outlook_of(HEAD, audited_of(few, HEAD, POLICY), GOAL).more
    assert [one.labels for one in found] == list(EXTRA)
    assert found[-1].coverage > found[0].coverage
    assert 0.3 < found[-1].coverage <= 1.0


def test_nothing_is_covered_before_there_is_an_audit_label() -> None:
    known = audited_of(snapshot_of(LEARNT), HEAD, POLICY)
    split = split_of(HEAD, known, GOAL)
    assert (split.coverage, split.promises[0].threshold) == (0.0, NEVER)
    assert [point.coverage for point in outlook_of(HEAD, known, GOAL).curve] == [0.0] * 8


def test_a_finished_pool_has_nothing_to_give_away() -> None:
    finished = snapshot_of(np.arange(SIZE))
    known = audited_of(finished, HEAD, POLICY)
    assert split_of(HEAD, known, GOAL).coverage == 0.0
    assert [more.coverage for more in outlook_of(HEAD, known, GOAL).more] == [0.0] * len(EXTRA)
    assert len(asked_first(finished, HEAD, GOAL, 100)) == 0


def test_what_is_asked_for_to_prove_more_comes_by_lot_and_is_above_the_threshold() -> None:
    few = snapshot_of(np.concatenate([BY_LOT[:30], LEARNT]))
    rows = asked_first(few, HEAD, GOAL, 40)
    assert len(rows) == 40
    assert few.open[rows].all()
    assert (np.diff(LOTS[rows]) > 0).all()
    # All open tasks as sure as the least sure of them, the lowest lot first, without a gap.
    surest = HEAD.probs(VECTORS).max(axis=1)
    alike = np.flatnonzero(few.open & (surest >= surest[rows].min()))
    assert rows.tolist() == alike[np.argsort(LOTS[alike])][:40].tolist()
    # A single label more would not prove anything.
    assert len(asked_first(few, HEAD, GOAL, 1)) == 0


def test_asked_for_and_labelled_they_prove_more() -> None:
    answered = np.concatenate([BY_LOT[:30], LEARNT])
    before = split_of(HEAD, audited_of(snapshot_of(answered), HEAD, POLICY), GOAL).coverage
    certified = np.zeros(SIZE, dtype=np.bool_)
    for _ in range(15):
        snapshot = snapshot_of(answered, certified)
        rows = asked_first(snapshot, HEAD, GOAL, 150)[:10]
        certified[rows] = True
        answered = np.concatenate([answered, rows])
    known = audited_of(snapshot_of(answered, certified), HEAD, POLICY)
    after = split_of(HEAD, known, GOAL)
    assert after.coverage > before + 0.2
    assert after.promises[0].sample > 60


def test_no_labels_are_asked_for_that_would_change_nothing() -> None:
    """A model that is mostly wrong, and one of which all may be given away already. Of the first,
    all that it is surest of was asked for: with nothing left to give away, that is proved."""
    assert len(asked_first(SNAPSHOT, slope(-3.0), GOAL, 100)) == 0
    perfect = replace(SNAPSHOT, targets=HEAD.answers(HEAD.probs(VECTORS))[SNAPSHOT.answered] * 1.0)
    split = split_of(HEAD, audited_of(perfect, HEAD, POLICY), Goal(0.6))
    assert split.coverage == 1.0
    assert len(asked_first(perfect, HEAD, Goal(0.6), 100)) == 0


def test_certified_tasks_count_once_the_reserve_below_their_lot_is_answered() -> None:
    """They are more often easy ones, and the figures that people see are about all tasks."""
    beyond = np.flatnonzero((LOTS > 0.1) & (LOTS < 0.12))
    within = BY_LOT[:3]
    certified = np.isin(np.arange(SIZE), np.concatenate([beyond, within]))
    some = snapshot_of(np.concatenate([BY_LOT[:50], beyond]), certified)
    counted = measured_on(some, POLICY)
    assert not counted[beyond].any()
    assert counted[within].all()
    assert counted[RESERVE].all()
    finished = snapshot_of(np.concatenate([RESERVE, beyond]), certified)
    assert not measured_on(finished, POLICY)[beyond].any()
    assert measured_on(finished, POLICY).sum() == len(RESERVE)
    ahead = replace(some, certified=np.isin(np.arange(SIZE), BY_LOT[49:52]))
    assert measured_on(ahead, POLICY)[BY_LOT[49:52]].tolist() == [True, False, False]
