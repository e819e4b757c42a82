"""Texts of made-up tokens: each is a point on a circle, and some of them are names."""

from dataclasses import replace

import numpy as np
import pytest

from model.choosing.audit import in_reserve
from model.choosing.strategies import STRATEGIES
from model.heads.head import Head
from model.measuring.review import span_doubts
from model.snapshot import Policy, Snapshot
from model.spans.learner import (
    COLD_TEXTS,
    FITTED,
    SpanSnapshot,
    cross_validated_tags,
    predicted_spans,
    span_round,
    targets_of,
    thinned,
)
from model.spans.tags import Span, Tokens
from model.spans.whole import whole_vectors
from model.types import Condition, Floats, Ints

N, LENGTH = 120, 6
LABELS = ("name",)
POLICY = Policy("margin", 12, 0.1, 0)
RNG = np.random.default_rng(5)
IS_NAME = RNG.random((N, LENGTH)) < 0.25
ANGLE = np.where(IS_NAME, RNG.normal(0.0, 0.3, IS_NAME.shape), RNG.normal(2.0, 0.6, IS_NAME.shape))
STATES = np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=2).astype(np.float16)
PLACES = np.stack([2 * np.arange(LENGTH), 2 * np.arange(LENGTH) + 1], axis=1)


def take(rows: Ints) -> Tokens:
    return Tokens(
        STATES[rows].reshape(-1, 2),
        np.tile(PLACES, (len(rows), 1)),
        LENGTH * np.arange(len(rows) + 1),
    )


def spans_of(row: int) -> list[Span]:
    """Each name is a span of its own."""
    return [
        Span(2 * place, 2 * place + 1, "name") for place in np.flatnonzero(IS_NAME[row]).tolist()
    ]


def pool(answered: int) -> SpanSnapshot:
    rows = np.arange(answered)
    spans = [spans_of(row) for row in range(answered)]
    return SpanSnapshot(
        np.arange(1000, 1000 + N), take, np.arange(N) >= answered, rows, spans, LABELS
    )


def test_names_are_found_in_texts_that_nobody_marked() -> None:
    outcome = span_round(pool(60), POLICY)
    assert outcome.head is not None
    assert (outcome.head.kind, outcome.head.labels) == ("spans", ("O", "B-name", "I-name"))
    rows = np.arange(60, N)
    said = [{span for span, _ in one} for one in predicted_spans(outcome.head, take(rows), LABELS)]
    given = [set(spans_of(row)) for row in rows.tolist()]
    hits = sum(len(mine & theirs) for mine, theirs in zip(said, given, strict=True))
    assert hits > 0.9 * sum(map(len, given))
    assert hits > 0.9 * sum(map(len, said))


def test_audit_texts_measure_and_are_not_learnt_from() -> None:
    snapshot = pool(60)
    audits = in_reserve(snapshot.ids, 0.1, 0)
    outcome = span_round(snapshot, POLICY)
    assert outcome.validation.tolist() == np.flatnonzero(audits[:60]).tolist()
    assert set(outcome.training) | set(outcome.validation) == set(range(60))
    assert outcome.metrics["examples"] == len(outcome.validation)
    assert outcome.metrics["micro_f1"]["value"] > 0.8
    given = sum(len(spans_of(row)) for row in outcome.validation.tolist())
    assert outcome.metrics["labels"]["name"]["support"] == given


def test_the_text_with_the_least_certain_token_comes_first() -> None:
    snapshot = pool(50)
    policy = Policy("margin", 1, 0.0, 0)
    head = span_round(snapshot, policy).head
    assert head is not None
    open_rows = np.flatnonzero(snapshot.open)
    two = np.sort(head.probs(take(open_rows).states), axis=1)[:, -2:]
    margins = (1.0 - np.diff(two, axis=1)).reshape(-1, LENGTH)
    (first,) = span_round(snapshot, policy).rows
    assert first == open_rows[margins.max(axis=1).argmax()]
    (other,) = span_round(snapshot, Policy("entropy", 1, 0.0, 0)).rows
    assert other == open_rows[margins.mean(axis=1).argmax()]


@pytest.mark.parametrize("answered", [COLD_TEXTS - 1, COLD_TEXTS])
def test_strategies_lead_from_five_training_texts_on(answered: int) -> None:
    """Far sooner than with labels of whole texts."""
    ranked = span_round(pool(answered), Policy("margin", 12, 0.0, 0)).rows.tolist()
    otherwise = span_round(pool(answered), Policy("entropy", 12, 0.0, 0)).rows.tolist()
    assert (ranked == otherwise) == (answered < COLD_TEXTS)


@pytest.mark.parametrize("answered", [COLD_TEXTS - 1, 50])
def test_where_variance_cannot_be_told_texts_of_wanted_tokens_are_taken(answered: int) -> None:
    """A text has no probabilities of its own, which the default strategy would ask for."""
    ranked = span_round(pool(answered), Policy("variance", 12, 0.0, 0)).rows.tolist()
    assert ranked == span_round(pool(answered), Policy("cluster_margin", 12, 0.0, 0)).rows.tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("answered", [0, 1, 50])
def test_a_queue_is_full_open_and_without_repeats(strategy: str, answered: int) -> None:
    snapshot = pool(answered)
    rows = span_round(snapshot, Policy(strategy, 12, 0.1, 0)).rows.tolist()
    assert len(rows) == len(set(rows)) == 12
    assert set(rows) <= set(np.flatnonzero(snapshot.open).tolist())


def test_a_fixed_head_ranks_as_it_is() -> None:
    good = span_round(pool(60), POLICY).head
    assert isinstance(good, Head)
    outcome = span_round(pool(2), POLICY, None, good)
    assert outcome.head is good
    assert len(outcome.rows) == 12


def test_nothing_to_read_is_nothing_to_ask() -> None:
    nothing = np.zeros(0, np.int64)
    outcome = span_round(SpanSnapshot(nothing, take, nothing > 0, nothing, [], LABELS), POLICY)
    assert (outcome.head, outcome.rows.tolist()) == (None, [])


def test_the_vector_of_a_text_is_its_mean_state() -> None:
    states = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]], np.float32)
    tokens = Tokens(states, np.zeros((3, 2), np.int64), np.array([0, 2, 3]))
    np.testing.assert_allclose(whole_vectors(tokens), [[2.0, 3.0], [5.0, 9.0]])


def test_of_many_tokens_a_part_stands_for_all_that_are_outside() -> None:
    tags = np.zeros(3 * FITTED, np.int64)
    tags[::10] = 1
    targets = np.eye(3, dtype=np.float32)[tags]
    rows, weights = thinned(targets)
    assert len(rows) == FITTED
    assert set(np.flatnonzero(tags)) <= set(rows.tolist())
    counts = (targets[rows] * weights[:, None]).sum(axis=0)
    np.testing.assert_allclose(counts, targets.sum(axis=0), rtol=1e-5)
    few = np.eye(3, dtype=np.float32)[tags[:50]]
    assert thinned(few)[0].tolist() == list(range(50))


def test_a_name_that_nobody_marked_is_doubted() -> None:
    rows = np.arange(60)
    spans = [spans_of(row) for row in rows.tolist()]
    row = next(row for row in rows.tolist() if len(spans[row]) > 1)
    spans[row] = spans[row][1:]
    tokens = take(rows)
    probs = cross_validated_tags(tokens, spans, LABELS, seed=0)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
    doubt = span_doubts(probs, targets_of(spans, tokens, LABELS), tokens.bounds)
    # Some points lie in the middle of the others: two real ones are doubted as much.
    assert row in doubt.argsort()[-3:]
    assert np.array_equal(probs, cross_validated_tags(tokens, spans, LABELS, seed=0))


def test_some_of_the_texts_are_taken_as_they_are() -> None:
    tokens, rows = take(np.arange(N)), np.array([7, 2, 7])
    found, expected = tokens.take(rows), take(rows)
    assert np.array_equal(found.states, expected.states)
    assert np.array_equal(found.places, expected.places)
    assert np.array_equal(found.bounds, expected.bounds)
    assert len(tokens.take(rows[:0])) == 0


MANY = IS_NAME.sum(axis=1) >= 2
"""What is asked about each text as a whole: whether it has several names."""


def both(answered: int, unanswered: int = 0) -> SpanSnapshot:
    """The same texts, of which it is also asked whether they have several names, without an answer
    for the first few."""
    rows = np.arange(unanswered, answered)
    targets = np.stack([MANY[rows], ~MANY[rows]], axis=1).astype(np.float32)
    spans = pool(answered)

    def whole(vectors: Floats) -> Snapshot:
        return Snapshot(
            spans.ids, vectors, spans.open, rows, targets, ("q: many", "q: few"), "single"
        )

    return replace(spans, whole=whole)


def test_spans_and_a_question_about_the_text_are_learnt_from_the_same_tokens() -> None:
    alone, outcome = span_round(pool(60), POLICY), span_round(both(60), POLICY)
    assert outcome.head is not None and outcome.head.whole is not None and alone.head is not None
    np.testing.assert_array_equal(outcome.head.weights, alone.head.weights)
    assert outcome.head.whole.labels == ("q: many", "q: few")
    rows = np.arange(60, N)
    said = outcome.head.whole.probs(whole_vectors(take(rows)))[:, 0] > 0.5
    assert (said == MANY[rows]).mean() > 0.8 > max(MANY.mean(), 1 - MANY.mean())
    assert outcome.fitted is not None and outcome.fitted.whole is not None


def test_the_figures_count_the_answers_to_both() -> None:
    alone, outcome = span_round(pool(60), POLICY), span_round(both(60), POLICY)
    assert list(outcome.metrics["labels"]) == ["name", "q: many", "q: few"]
    assert outcome.metrics["labels"]["name"] == alone.metrics["labels"]["name"]
    audited = outcome.validation
    assert outcome.metrics["labels"]["q: many"]["support"] == MANY[audited].sum()
    assert outcome.metrics["examples"] == len(audited)


def test_a_text_without_an_answer_is_neither_right_nor_wrong() -> None:
    outcome = span_round(both(60, unanswered=40), POLICY)
    few = [row for row in outcome.validation.tolist() if row >= 40]
    figures = outcome.metrics["labels"]
    assert figures["q: many"]["support"] + figures["q: few"]["support"] == len(few)
    assert outcome.metrics["examples"] == len(outcome.validation) > len(few)


def test_what_is_asked_next_depends_on_both() -> None:
    """Of two texts with the same doubt about spans, the one with the more doubtful answer."""
    alone, outcome = span_round(pool(60), POLICY), span_round(both(60), POLICY)
    assert alone.rows.tolist() != outcome.rows.tolist()
    assert len(set(outcome.rows.tolist())) == POLICY.size


def test_without_marked_texts_no_spans_are_found() -> None:
    """As long as the question about the text has no answer for which spans are asked."""
    snapshot = replace(both(20), asked=np.zeros(20, np.bool_))
    outcome = span_round(snapshot, POLICY)
    assert outcome.head is not None and outcome.head.whole is not None
    assert not any(predicted_spans(outcome.head, take(np.arange(N)), LABELS))


def test_spans_that_were_not_asked_for_teach_nothing() -> None:
    """Half of the texts have no spans because nobody was asked: the other half alone is learnt."""
    asked = np.arange(60) % 2 == 0
    snapshot = both(60)
    spans = [one if is_asked else [] for one, is_asked in zip(snapshot.spans, asked, strict=True)]
    condition = Condition(("q: many",))
    outcome = span_round(
        replace(snapshot, spans=spans, asked=asked, conditions=(condition,)), POLICY
    )
    assert outcome.head is not None
    rows = np.arange(60, N)
    said = [{span for span, _ in one} for one in predicted_spans(outcome.head, take(rows), LABELS)]
    given = [set(spans_of(row)) for row in rows.tolist()]
    hits = sum(len(mine & theirs) for mine, theirs in zip(said, given, strict=True))
    assert hits > 0.85 * sum(map(len, given))


def test_a_pinned_version_without_answers_to_the_question_stays_so() -> None:
    fixed = span_round(pool(60), POLICY).head
    outcome = span_round(both(60), POLICY, fixed=fixed)
    assert outcome.head is fixed
    pinned = span_round(both(30), POLICY).head
    again = span_round(both(60), POLICY, fixed=pinned)
    assert again.head is pinned and "q: many" in again.metrics["labels"]
