"""Weak labels in a round: what is learnt from them, and what is not."""

from dataclasses import replace

import numpy as np
import pytest

from model.choosing.audit import in_reserve
from model.heads.head import Head
from model.heads.sources import MOST_WEIGHT, Source
from model.learner import fast_round
from model.snapshot import Policy, Snapshot, pool_centre
from model.types import Bools, Floats, Kind, LabelGroup
from model.weak_labels import MOST_ROWS, evidence_of, judged

POLICY = Policy("margin", 5, 0.1, 0)
N, CLASSES, LABELS = 600, 4, ("a", "b", "c", "d")
RNG = np.random.default_rng(5)
TRUE = RNG.integers(0, CLASSES, N)
DIRECTIONS = np.eye(CLASSES, 16)
VECTORS = (DIRECTIONS[TRUE] + 0.35 * RNG.normal(size=(N, 16))).astype(np.float32)
TRUTH: Floats = np.eye(CLASSES, dtype=np.float32)[TRUE]


def voting(name: str, votes: Floats, rows: Bools | None = None, *, blind: bool = True) -> Source:
    """A source with these votes (N, c) on these rows."""
    there = np.flatnonzero(votes.any(axis=1) if rows is None else rows)
    given = votes[there] > 0
    bounds = np.concatenate([[0], np.cumsum(given.sum(axis=1))]).astype(np.int64)
    is_blind = np.full(len(there), blind)
    return Source(name, there, np.nonzero(given)[1].astype(np.int64), bounds, is_blind)


def right_in(share: float) -> Floats:
    """The true labels, with others in the place of the rest."""
    rng = np.random.default_rng(1)
    wrong = (TRUE + rng.integers(1, CLASSES, N)) % CLASSES
    found: Floats = np.eye(CLASSES, dtype=np.float32)[np.where(rng.random(N) < share, TRUE, wrong)]
    return found


GOOD = voting("good", right_in(0.8))
USELESS = voting("useless", np.eye(CLASSES, dtype=np.float32)[RNG.integers(0, CLASSES, N)])


def pool(answered: int, *sources: Source, kind: Kind = "single") -> Snapshot:
    is_open = np.arange(N) >= answered
    known = np.arange(answered)
    ids = np.arange(1, N + 1)
    return Snapshot(ids, VECTORS, is_open, known, TRUTH[:answered], LABELS, kind, sources=sources)


def accuracy(head: Head | None) -> float:
    assert head is not None
    return float((head.probs(VECTORS).argmax(axis=1) == TRUE).mean())


@pytest.mark.parametrize("kind", ["single", "ordered", "multiple"])
def test_a_good_source_teaches_before_any_label(kind: Kind) -> None:
    assert fast_round(pool(0, kind=kind), POLICY).head is None
    found = fast_round(pool(0, GOOD, kind=kind), POLICY)
    assert accuracy(found.head) > 0.9
    (figures,) = found.sources
    assert (figures.name, figures.votes, figures.compared) == ("good", N, 0)
    assert (figures.precision, figures.recall) == (None, None)


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_a_useless_source_changes_nothing(kind: Kind) -> None:
    without = fast_round(pool(60, kind=kind), POLICY)
    found = fast_round(pool(60, USELESS, kind=kind), POLICY)
    assert without.head is not None
    assert found.head is not None
    np.testing.assert_array_equal(found.head.weights, without.head.weights)
    np.testing.assert_array_equal(found.rows, without.rows)
    assert found.sources[0].weight < 0.01


def test_a_source_is_compared_with_people() -> None:
    right = right_in(0.8)
    found = fast_round(pool(100, GOOD), POLICY).sources[0]
    share = float((right[:100] * TRUTH[:100]).sum()) / 100
    assert found.compared == 100
    assert found.precision is not None
    assert found.precision["value"] == pytest.approx(share)
    assert found.precision["low"] < share < found.precision["high"]
    assert found.recall == found.precision
    assert found.weight == pytest.approx((share - 0.25) ** 2 / 0.75**2, abs=0.15)


def test_votes_that_came_after_people_are_not_compared() -> None:
    """A program that copies people's labels is no better than it was before."""
    copier = voting("copier", TRUTH, np.arange(N) < 100, blind=False)
    found = fast_round(pool(100, copier), POLICY).sources[0]
    assert (found.votes, found.compared, found.late, found.precision) == (100, 0, 100, None)


def test_nothing_is_learnt_from_audit_tasks_and_what_people_labelled() -> None:
    snapshot = pool(100, GOOD)
    audits = in_reserve(snapshot.ids, 0.5, 0)
    judges = judged(snapshot, audits[:100], None)
    found = evidence_of(snapshot, judges, audits, 0)
    assert found is not None
    free = VECTORS[100:][~audits[100:]]
    np.testing.assert_array_equal(found.features, free)
    np.testing.assert_allclose(found.weights, MOST_WEIGHT["single"] * judges.weights[0])


def test_the_reliability_is_found_without_audit_labels() -> None:
    """What people said of audit tasks measures the model, and must teach it nothing."""
    snapshot = pool(100, GOOD)
    held_out = np.arange(100) >= 40
    wrong = replace(snapshot, targets=np.vstack([TRUTH[:40], np.roll(TRUTH[40:100], 1, axis=1)]))
    ours, other = (judged(one, held_out, None) for one in (snapshot, wrong))
    assert ours.weights == other.weights


def test_a_large_pool_takes_no_longer() -> None:
    times = 5
    ids = np.arange(1, times * N + 1)
    votes = np.tile(right_in(0.8), (times, 1))
    bounds = np.arange(times * N + 1)
    blind = np.ones(times * N, np.bool_)
    source = Source("good", np.arange(times * N), votes.argmax(axis=1), bounds, blind)
    vectors = np.tile(VECTORS, (times, 1))
    none = np.zeros(0, np.int64)
    large = Snapshot(
        ids,
        vectors,
        np.ones(times * N, np.bool_),
        none,
        TRUTH[:0],
        LABELS,
        "single",
        sources=(source,),
    )
    audits = np.zeros(times * N, np.bool_)
    found = evidence_of(large, judged(large, np.zeros(0, np.bool_), None), audits, 0)
    assert found is not None
    assert len(found.features) == MOST_ROWS


def test_votes_that_say_nothing_of_what_is_shown_are_not_believed() -> None:
    """Before any label: nothing could be learnt from them."""
    shuffled = voting("shuffled", right_in(0.8)[np.random.default_rng(2).permutation(N)])
    nobody = np.zeros(0, np.bool_)
    assert judged(pool(0, GOOD), nobody, None).reliabilities[0].skill > 0.4
    assert judged(pool(0, shuffled), nobody, None).reliabilities[0].skill < 0.1


def test_each_of_several_questions_has_its_own_votes() -> None:
    """The one that nobody has answered is learnt from the source alone."""
    groups = (LabelGroup("single", 0, 4), LabelGroup("multiple", 4, 6))
    tags = np.stack([TRUE < 2, TRUE % 2 == 0], axis=1).astype(np.float32)
    votes = np.hstack([np.zeros((N, 4), np.float32), tags])
    source = voting("tags", votes)
    targets = np.hstack([TRUTH, np.zeros((N, 2), np.float32)])[:60]
    snapshot = Snapshot(
        np.arange(1, N + 1),
        VECTORS,
        np.arange(N) >= 60,
        np.arange(60),
        targets,
        (*LABELS, "x", "y"),
        "multiple",
        groups,
        sources=(source,),
    )
    found = fast_round(snapshot, POLICY)
    assert found.head is not None
    said = found.head.answers(found.head.probs(VECTORS))
    assert (said[:, 4:] == (tags > 0)).mean() > 0.75
    assert found.sources[0].votes == int(tags.any(axis=1).sum())


@pytest.mark.parametrize("kind", ["single", "ordered", "multiple"])
@pytest.mark.parametrize("answered", [0, 1])
def test_sources_that_say_nothing_are_as_good_as_none(kind: Kind, answered: int) -> None:
    """There is an order all the same; without names and labels there is no head yet."""
    one_vote = voting("one vote", TRUTH, np.arange(N) == 5)
    for_none = voting("for none", np.zeros((N, CLASSES), np.float32), np.arange(N) < 50)
    nobody = voting("nobody", TRUTH, np.zeros(N, np.bool_))
    for source in (USELESS, one_vote, for_none, nobody):
        found = fast_round(pool(answered, source, kind=kind), POLICY)
        without = fast_round(pool(answered, kind=kind), POLICY)
        assert (found.head is None) == (without.head is None)
        np.testing.assert_array_equal(found.rows, without.rows)
        assert [one.name for one in found.sources] == [source.name]


def test_a_question_that_nobody_answers_and_no_source_knows_is_left_out() -> None:
    groups = (LabelGroup("single", 0, 4), LabelGroup("multiple", 4, 6))
    votes = np.zeros((N, 6), np.float32)
    votes[7, 5] = 1.0
    snapshot = Snapshot(
        np.arange(1, N + 1),
        VECTORS,
        np.arange(N) >= 60,
        np.arange(60),
        np.hstack([TRUTH, np.zeros((N, 2), np.float32)])[:60],
        (*LABELS, "x", "y"),
        "multiple",
        groups,
        sources=(voting("once", votes),),
    )
    found = fast_round(snapshot, POLICY)
    assert found.head is not None
    assert found.head.labels == LABELS


def test_tasks_that_were_imported_label_by_label_make_no_difference() -> None:
    order = np.argsort(TRUE, kind="stable")
    source = voting("good", right_in(0.8)[order])
    snapshot = replace(pool(0), vectors=VECTORS[order], sources=(source,))
    nobody = np.zeros(0, np.bool_)
    assert judged(snapshot, nobody, None).reliabilities[0].skill > 0.4


def test_a_rule_for_one_label_is_believed_before_any_label() -> None:
    rule = voting("rule", TRUTH * (np.arange(CLASSES) == 1))
    assert judged(pool(0, rule), np.zeros(0, np.bool_), None).reliabilities[0].skill > 0.4
    by_chance = voting("by chance", np.eye(CLASSES, dtype=np.float32)[[1] * N], RNG.random(N) < 0.3)
    assert judged(pool(0, by_chance), np.zeros(0, np.bool_), None).reliabilities[0].skill < 0.1


def test_a_round_with_weak_labels_ends_where_it_would_without_a_start() -> None:
    before = fast_round(pool(50, GOOD), POLICY)
    cold, warm = (fast_round(pool(60, GOOD), POLICY, start) for start in (None, before.fitted))
    assert cold.head is not None
    assert warm.head is not None
    centre = pool_centre(VECTORS, 0)
    np.testing.assert_allclose(warm.head.centre, centre)
    np.testing.assert_allclose(warm.head.probs(VECTORS), cold.head.probs(VECTORS), atol=0.02)
