"""The whole order: picked rows, rows that certify something, the strategy's, and why."""

from dataclasses import replace

import numpy as np
import pytest

from model.choosing.audit import in_reserve
from model.choosing.choice import Chosen, _put_in
from model.choosing.order import EXPLAINED, order_of, picked_of
from model.finishing.goal import Goal
from model.learner import fast_round
from model.snapshot import Policy, Snapshot, audits_of, rows_in
from model.spans.learner import span_round
from model.types import Ints
from tests.model.test_learner import open_rows, random_pool, two_sides
from tests.model.test_span_learner import pool

AUDITS = np.isin(np.arange(20), [7, 17])
CHOSEN = Chosen(
    np.array([3, 7, 4, 5, 6]),
    0.5,
    np.array([False, False, True, False, False]),
    np.zeros(5, np.bool_),
)


def rows(*which: int) -> Ints:
    return np.array(which, dtype=np.int64)


def test_picked_rows_come_first_then_those_that_certify_and_each_once() -> None:
    order = order_of(CHOSEN, AUDITS, 20, picked=rows(9, 5, 2), certify=rows(12, 5, 3))
    assert order.rows.tolist() == [9, 5, 2, 12, 3, 7, 4, 6]
    assert (order.picked, order.certifying) == (3, 2)
    assert order.why == (
        *("picked", "picked", "picked", "certify", "certify"),
        *("audit", "random", "model"),
    )


@pytest.mark.parametrize(
    ("size", "counts", "found"),
    [
        (2, (2, 0), [9, 5]),
        (3, (3, 0), [9, 5, 2]),
        (4, (3, 1), [9, 5, 2, 12]),
        (6, (3, 2), [9, 5, 2, 12, 3, 7]),
    ],
)
def test_no_more_rows_than_there_is_room_for(
    size: int, counts: tuple[int, int], found: list[int]
) -> None:
    order = order_of(CHOSEN, AUDITS, size, picked=rows(9, 5, 2), certify=rows(12, 3))
    assert order.rows.tolist() == found
    assert (order.picked, order.certifying) == counts
    assert len(order.why) == size


def test_without_either_the_order_is_the_strategys() -> None:
    order = order_of(CHOSEN, AUDITS, 20)
    assert order.rows.tolist() == CHOSEN.rows.tolist()
    assert (order.picked, order.certifying) == (0, 0)
    assert order.why == ("model", "audit", "random", "model", "model")


def test_only_of_the_first_tasks_it_is_kept_why() -> None:
    many = np.arange(50)
    order = order_of(Chosen(many, 0.0, many < 0, many < 0), many < 0, 50)
    assert order.why == ("model",) * EXPLAINED


def test_audit_rows_and_those_that_are_labelled_are_not_picked() -> None:
    is_open = np.arange(20) != 5
    assert picked_of(rows(9, 7, 5, 17, 2, 9), is_open, AUDITS).tolist() == [9, 2]
    assert picked_of(None, is_open, AUDITS).tolist() == []


def test_rows_are_found_in_the_order_of_what_is_wanted() -> None:
    assert rows_in(rows(10, 20, 30, 40), rows(40, 15, 10, 30)).tolist() == [3, 0, 2]
    assert rows_in(rows(10), rows()).tolist() == []


def test_what_the_guard_put_in_is_what_the_strategy_would_not_have_asked_so_early() -> None:
    best = rows(1, 2, 3, 4)
    assert _put_in(best, rows(1, 2, 3, 4)).tolist() == []
    assert _put_in(best, rows(4, 1, 8, 2, 3)).tolist() == [4, 8]


def test_random_tasks_are_said_to_be_random_whatever_their_place() -> None:
    """The strategy `random` needs no guard."""
    found = fast_round(random_pool(60, 0), Policy("random", 5, 0.0, 0))
    assert found.why == ("random",) * 5


def free_rows(snapshot: Snapshot, policy: Policy) -> Ints:
    """Open rows that are no audit rows."""
    return np.flatnonzero(snapshot.open & ~audits_of(snapshot, policy))


def test_a_round_asks_first_for_what_people_picked() -> None:
    snapshot, policy = random_pool(120, 40), Policy("margin", 12, 0.1, 0, guard=False)
    usual = fast_round(snapshot, policy)
    assert usual.picked == 0
    free = free_rows(snapshot, policy)
    last = free[~np.isin(free, usual.rows)][[5, 1, 3]]
    audit = np.flatnonzero(snapshot.open & in_reserve(snapshot.ids, 0.1, 0))[0]
    wanted = np.array([last[0], audit, last[1], snapshot.answered[0], last[2]])
    found = fast_round(replace(snapshot, picked=wanted), policy)
    assert found.rows.tolist() == [*last.tolist(), *usual.rows.tolist()[:9]]
    assert found.picked == 3
    assert found.why[:3] == ("picked",) * 3
    assert found.why[3:] == usual.why[:9]
    np.testing.assert_array_equal(found.training, usual.training)


def test_picked_rows_come_before_those_that_prove_something() -> None:
    """A row of both is a picked one: its label is learnt, and so it proves nothing."""
    snapshot = two_sides(40, *np.linspace(0, 5, 100), *np.linspace(85, 90, 100))
    policy = Policy("margin", 60, 0.1, 0, guard=False, goal=Goal(0.9), certify=40)
    asked = fast_round(snapshot, policy)
    assert (asked.certifying, asked.why[0]) == (40, "certify")
    first = asked.rows[: asked.certifying]
    reserve = in_reserve(snapshot.ids, 0.1, 0)
    both = first[~reserve[first]][:1]
    assert len(both) == 1
    found = fast_round(replace(snapshot, picked=both), policy)
    assert found.rows[: found.picked].tolist() == both.tolist()
    assert (found.picked, found.certifying) == (1, 39)
    mine = found.rows[1:40]
    assert mine.tolist() == [row for row in first.tolist() if row != both[0]]


def test_rows_that_were_asked_for_to_prove_something_are_not_picked() -> None:
    snapshot, policy = random_pool(120, 40), Policy("margin", 12, 0.1, 0, guard=False)
    free = free_rows(snapshot, policy)[:2]
    certified = np.isin(np.arange(120), free[:1])
    found = fast_round(replace(snapshot, picked=free, certified=certified), policy)
    assert (found.picked, found.rows[0]) == (1, free[1])


def test_a_picked_label_is_learnt() -> None:
    snapshot, policy = random_pool(120, 40), Policy("margin", 12, 0.1, 0)
    everything = replace(snapshot, picked=snapshot.answered)
    found, usual = fast_round(everything, policy), fast_round(snapshot, policy)
    assert found.picked == 0
    assert found.training.tolist() == usual.training.tolist()
    assert found.validation.tolist() == usual.validation.tolist()


def test_more_picked_rows_than_room_fill_the_order() -> None:
    snapshot, policy = random_pool(120, 40), Policy("margin", 12, 0.1, 0)
    free = free_rows(snapshot, policy)
    found = fast_round(replace(snapshot, picked=free[::-1]), policy)
    assert found.rows.tolist() == free[::-1][:12].tolist()
    assert found.picked == 12
    assert set(found.rows) <= set(open_rows(snapshot))


def test_labels_that_hardly_any_task_has_are_counted() -> None:
    """Two examples of `north` are few, thirty of `east` are not."""
    snapshot = two_sides(32, 88, 89, 90)
    kept = np.flatnonzero((np.arange(32) % 2 == 0) | (np.arange(32) < 4))
    snapshot = replace(snapshot, answered=kept, targets=snapshot.targets[kept])
    found = fast_round(snapshot, Policy("margin", 3, 0.0, 0, guard=False))
    assert found.few == {"north": 2}
    assert fast_round(two_sides(32, 88, 89), Policy("margin", 2, 0.0, 0)).few == {}


def test_texts_with_spans_can_be_picked() -> None:
    snapshot, policy = pool(60), Policy("margin", 12, 0.1, 0)
    usual = span_round(snapshot, policy)
    free = np.flatnonzero(snapshot.open & ~in_reserve(snapshot.ids, 0.1, 0))
    last = free[~np.isin(free, usual.rows)][[4, 0]]
    found = span_round(replace(snapshot, picked=np.append(last, 0)), policy)
    assert found.rows.tolist() == [*last.tolist(), *usual.rows.tolist()[:10]]
    assert (found.picked, found.why[:3]) == (2, ("picked", "picked", usual.why[0]))
