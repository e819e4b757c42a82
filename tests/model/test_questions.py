"""Several questions over the same examples: one head each, and one order of all tasks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from model.choosing.audit import in_reserve
from model.choosing.choice import COLD_LABELS
from model.choosing.strategies import STRATEGIES, margin
from model.encoders.finetune import _class_loss
from model.heads.head import Head, joined
from model.learner import fast_round
from model.snapshot import Policy, Snapshot
from model.storage.facts import VersionFacts
from model.storage.store import Store, Version
from model.types import Floats, Ints, LabelGroup
from tests.model.arrays import everything

GROUPS = (LabelGroup("single", 0, 3), LabelGroup("multiple", 3, 5))
LABELS = ("sort: a", "sort: b", "sort: c", "tags: x", "tags: y")
N, ANSWERED = 200, 80
ONE, ALL = Policy("margin", 1, 0.1, 0), Policy("margin", N, 0.1, 0, guard=False)


def pool(of_first: Ints, of_second: Ints) -> Snapshot:
    """Vectors on a plane; the answered rows of each question are labelled by where they lie."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(N, 2)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    angle = np.arctan2(vectors[:, 1], vectors[:, 0])
    targets = np.zeros((N, 5), np.float32)
    sort = np.digitize(angle, [-1.0, 1.0])
    targets[of_first, sort[of_first]] = 1.0
    targets[of_second, 3] = vectors[of_second, 0] > -0.5
    targets[of_second, 4] = vectors[of_second, 1] > -0.5
    answered = np.arange(ANSWERED)
    return Snapshot(
        ids=np.arange(1000, 1000 + N),
        vectors=vectors,
        open=np.arange(N) >= ANSWERED,
        answered=answered,
        targets=targets[:ANSWERED],
        labels=LABELS,
        kind="multiple",
        groups=GROUPS,
    )


EVERY = np.arange(ANSWERED)


def head_of(snapshot: Snapshot, policy: Policy = ALL) -> Head:
    head = fast_round(snapshot, policy).head
    assert head is not None
    return head


def test_each_question_has_the_head_that_it_would_have_alone() -> None:
    """Also where people answered only some of the questions."""
    snapshot = pool(EVERY, EVERY[::2])
    together = head_of(snapshot)
    assert (together.labels, together.groups) == (LABELS, GROUPS)
    first, second = snapshot.parts()
    assert (len(first.answered), len(second.answered)) == (80, len(second.targets))
    assert len(second.answered) <= 40
    vectors = everything(snapshot)
    for alone, part in zip((head_of(first), head_of(second)), together.parts(), strict=True):
        assert (part.kind, part.labels) == (alone.kind, alone.labels)
        np.testing.assert_allclose(part.probs(vectors), alone.probs(vectors))
        np.testing.assert_array_equal(
            part.answers(part.probs(vectors)), alone.answers(alone.probs(vectors))
        )


def test_one_label_of_one_question_and_any_number_of_the_other() -> None:
    snapshot = pool(EVERY, EVERY)
    head = head_of(snapshot)
    probs = head.probs(everything(snapshot))
    np.testing.assert_allclose(probs[:, :3].sum(axis=1), 1.0, rtol=1e-5)
    answers = head.answers(probs)
    assert (answers[:, :3].sum(axis=1) == 1).all()
    assert set(answers[:, 3:].sum(axis=1).tolist()) == {0, 1, 2}


def test_the_order_is_that_of_the_summed_ranks() -> None:
    snapshot = pool(EVERY, EVERY)
    outcome = fast_round(snapshot, ALL)
    assert outcome.head is not None
    rows = np.flatnonzero(snapshot.open & ~in_reserve(snapshot.ids, 0.1, 0))
    parts = [part.probs(snapshot.vectors[rows]) for part in outcome.head.parts()]
    ranks: Floats = np.sum([rankdata(margin(probs)) for probs in parts], axis=0)
    asked = [row for row in outcome.rows if row in set(rows)]
    place = dict(zip(rows.tolist(), ranks.tolist(), strict=True))
    found = [place[row] for row in asked]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) > 50


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("answered", [1, COLD_LABELS + 20])
def test_every_strategy_orders_several_questions(strategy: str, answered: int) -> None:
    whole = pool(EVERY, EVERY)
    rows = np.arange(answered)
    snapshot = replace(
        whole, answered=rows, targets=whole.targets[rows], open=np.arange(N) >= answered
    )
    asked = fast_round(snapshot, Policy(strategy, 12, 0.1, 0)).rows.tolist()
    assert len(set(asked)) == 12
    assert set(asked) <= set(np.flatnonzero(snapshot.open).tolist())


def test_an_answer_that_nobody_gave_is_neither_right_nor_wrong() -> None:
    snapshot = pool(EVERY, EVERY[:0])
    snapshot.targets[:8, 3] = 1.0  # somebody answered the second question of eight tasks
    both, first = fast_round(snapshot, ALL).metrics, fast_round(snapshot.parts()[0], ALL).metrics
    assert both["labels"]["tags: y"]["support"] == 0
    for label in LABELS[:3]:
        assert both["labels"][label] == first["labels"][label]


def test_a_question_that_only_audit_tasks_answer_is_not_learnt_yet() -> None:
    reserve = in_reserve(np.arange(1000, 1000 + N), 0.1, 0)
    only_audits = np.flatnonzero(reserve[:ANSWERED])
    assert len(only_audits)
    head = head_of(pool(EVERY, only_audits))
    assert (head.kind, head.labels, head.groups) == ("single", LABELS[:3], ())
    head = head_of(pool(only_audits, EVERY))
    assert (head.kind, head.labels, head.groups) == ("multiple", LABELS[3:], ())


def named(*of_labels: int) -> Floats:
    """Vectors (5, 2) of the names of these labels alone."""
    names: Floats = np.zeros((5, 2), np.float32)
    names[list(of_labels)] = np.random.default_rng(0).normal(size=(len(of_labels), 2))
    return names


def test_a_question_that_nobody_answered_is_answered_by_its_names() -> None:
    unasked = pool(EVERY, EVERY[:0])
    head = head_of(replace(unasked, names=named(0, 1, 2, 3, 4)))
    assert (head.labels, head.groups) == (LABELS, GROUPS)
    alone = head_of(replace(unasked, names=named(0, 1, 2)))
    assert (alone.labels, alone.groups) == (LABELS[:3], ())


def test_before_any_answer_only_questions_with_names_have_a_head() -> None:
    """The stars of a rating have no names, so nothing can be predicted for them."""
    nothing = pool(EVERY[:0], EVERY[:0])
    nothing = replace(nothing, answered=EVERY[:0], targets=np.zeros((0, 5), np.float32))
    head = head_of(replace(nothing, names=named(3, 4)))
    assert (head.kind, head.labels, head.groups) == ("multiple", LABELS[3:], ())
    assert fast_round(replace(nothing, names=named()), ALL).head is None
    assert fast_round(replace(nothing, names=named(0, 1, 2, 3, 4)), ALL).head is not None


def test_a_question_without_names_that_only_audit_tasks_answer_is_not_learnt_yet() -> None:
    reserve = in_reserve(np.arange(1000, 1000 + N), 0.1, 0)
    only_audits = np.flatnonzero(reserve[:ANSWERED])
    head = head_of(replace(pool(EVERY, only_audits), names=named(0, 1, 2)))
    assert (head.kind, head.labels, head.groups) == ("single", LABELS[:3], ())


def test_without_any_answer_there_is_no_head() -> None:
    outcome = fast_round(pool(EVERY[:0], EVERY[:0]), ONE)
    assert outcome.head is None
    assert len(outcome.rows) == 1


def test_a_head_of_several_questions_ranks_as_it_is() -> None:
    snapshot = pool(EVERY, EVERY)
    fixed = head_of(snapshot)
    outcome = fast_round(
        replace(snapshot, answered=EVERY[:0], targets=np.zeros((0, 5))), ONE, None, fixed
    )
    assert outcome.head is fixed
    assert len(outcome.rows) == 1


def test_a_version_of_several_questions_comes_back_whole(tmp_path: Path) -> None:
    head, nothing = head_of(pool(EVERY, EVERY)), np.zeros(0, np.int64)
    Store(tmp_path).save_version(Version("0.1", 0, head, nothing, nothing, nothing, VersionFacts()))
    loaded = Store(tmp_path).load_version("0.1").head
    assert loaded is not None
    assert (loaded.groups, loaded.labels, loaded.kind) == (GROUPS, LABELS, "multiple")
    vectors = everything(pool(EVERY, EVERY))
    np.testing.assert_array_equal(loaded.probs(vectors), head.probs(vectors))


def test_the_head_of_a_single_question_is_itself() -> None:
    (head,) = head_of(pool(EVERY, EVERY)).parts()[:1]
    assert joined([head], ()) is head
    assert head.parts() == [head]


def test_the_loss_of_several_questions_is_their_sum_over_those_who_answer() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0, 1.0, -1.0], [0.0, 1.0, 0.0, 3.0, 3.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0, 0.0]])
    of_first = torch.nn.functional.cross_entropy(logits[:, :3], targets[:, :3])
    of_second = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[1:, 3:], targets[1:, 3:]
    )
    loss = _class_loss(logits, targets, GROUPS)
    assert loss.item() == pytest.approx((of_first + of_second).item())
    assert _class_loss(logits, torch.zeros(2, 5), GROUPS).item() == 0.0
