from dataclasses import replace

import numpy as np
import pytest

from model.spans.attributes import Asked, span_vectors, told_of
from model.spans.learner import SpanSnapshot, predicted_in, span_round
from model.spans.tags import Attribute, Span, Tokens
from model.storage.damage import Damaged
from model.storage.heads import arrays_of, facts_of, head_of
from model.types import LabelGroup
from tests.model.test_span_learner import IS_NAME, POLICY, N, pool, take

ASKED = ("side: down", "side: up")


ANGLES = np.arctan2(*take(np.arange(N)).states.astype(np.float64).T[::-1]).reshape(IS_NAME.shape)
IS_UP = (ANGLES > 0.0).astype(np.int64)
"""What is asked about each name: something that its own state says."""


def attributes_of(row: int) -> list[Attribute]:
    places = np.flatnonzero(IS_NAME[row]).tolist()
    return [Attribute(2 * place, 2 * place + 1, ASKED[IS_UP[row, place]]) for place in places]


def asked(answered: int) -> SpanSnapshot:
    given = [attributes_of(row) for row in range(answered)]
    return replace(pool(answered), about=Asked(ASKED, "single", (), given))


def test_what_is_said_of_a_span_is_learnt_from_its_own_tokens() -> None:
    outcome = span_round(asked(60), POLICY)
    head = outcome.head
    assert head is not None and head.attributes is not None
    assert outcome.fitted is not None and outcome.fitted.attributes is not None
    rows = np.arange(60, N)
    spans = [[span for span, _ in one] for one in predicted_in(head, asked(60), rows)]
    said = head.attributes.probs(span_vectors(take(rows), spans)).argmax(axis=1)
    true = [
        IS_UP[row, span.start // 2]
        for row, mine in zip(rows.tolist(), spans, strict=True)
        for span in mine
    ]
    assert (said == true).mean() > 0.9 > max(np.mean(true), 1 - np.mean(true)) + 0.2


def test_figures_count_what_is_said_of_spans() -> None:
    alone, outcome = span_round(pool(60), POLICY), span_round(asked(60), POLICY)
    labels = outcome.metrics["labels"]
    assert labels["name"] == alone.metrics["labels"]["name"]
    for label in ASKED:
        true = sum(
            one.label == label for row in outcome.validation.tolist() for one in attributes_of(row)
        )
        assert labels[label]["support"] == true
    assert labels["side: up"]["f1"]["value"] > 0.8


def test_where_nothing_was_said_only_spans_are_learnt() -> None:
    nothing = replace(asked(60), about=Asked(ASKED, "single", (), [[] for _ in range(60)]))
    outcome, alone = span_round(nothing, POLICY), span_round(pool(60), POLICY)
    assert outcome.head is not None and outcome.head.attributes is None
    assert outcome.metrics == alone.metrics
    pinned = span_round(asked(60), POLICY, fixed=alone.head).head
    assert pinned is alone.head, "a pinned version stays as it is"


def test_a_pinned_version_is_measured_on_the_questions_that_it_knows() -> None:
    fixed = span_round(asked(60), POLICY).head
    same = span_round(asked(80), POLICY, fixed=fixed)
    assert same.head is fixed and set(same.metrics["labels"]) == {"name", *ASKED}
    more = (*ASKED, "side: left")
    about = Asked(more, "single", (), [attributes_of(row) for row in range(80)])
    other = span_round(replace(asked(80), about=about), POLICY, fixed=fixed)
    assert other.head is fixed and set(other.metrics["labels"]) == {"name"}


def test_several_questions_about_a_span_are_one_example() -> None:
    given = [
        [Attribute(0, 3, "a: x"), Attribute(0, 3, "b: y"), Attribute(5, 6, "a: x")],
        [],
        [Attribute(0, 3, "a: gone"), Attribute(1, 2, "b: y")],
    ]
    groups = (LabelGroup("single", 0, 1), LabelGroup("single", 1, 2))
    told = told_of(Asked(("a: x", "b: y"), "multiple", groups, given))
    assert told.text_of.tolist() == [0, 0, 2]
    assert [(one.start, one.end) for one in told.spans] == [(0, 3), (5, 6), (1, 2)]
    assert told.targets.tolist() == [[1, 1], [1, 0], [0, 1]]


def test_the_vector_of_a_span_is_its_tokens_beside_its_text() -> None:
    states = np.array([[1, 0], [0, 1], [0, 1]], np.float16)
    tokens = Tokens(states, np.array([[0, 2], [3, 5], [6, 8]]), np.array([0, 3]))
    spans = [Span(0, 2, ""), Span(3, 8, ""), Span(0, 1, ""), Span(9, 12, "")]
    found = span_vectors(tokens, [spans])
    text = np.array([1, 2]) / 5**0.5
    np.testing.assert_allclose(found[:, 2:], np.tile(text, (4, 1)), atol=1e-3)
    np.testing.assert_allclose(found[:, :2], [[1, 0], [0, 1], [1, 0], [0, 1]], atol=1e-3)
    assert span_vectors(tokens, [[]]).shape == (0, 4)


def test_a_head_with_questions_about_spans_comes_back() -> None:
    head = span_round(asked(60), POLICY).head
    assert head is not None
    back = head_of(facts_of(head), arrays_of(head))
    assert back.attributes is not None and head.attributes is not None
    np.testing.assert_array_equal(back.attributes.weights, head.attributes.weights)
    assert (back.attributes.labels, back.attributes.kind) == (head.attributes.labels, "single")
    broken = {name: one for name, one in arrays_of(head).items() if name != "attributes.bias"}
    with pytest.raises(KeyError):
        head_of(facts_of(head), broken)
    with pytest.raises(Damaged):
        head_of(facts_of(head), arrays_of(head) | {"attributes.bias": np.zeros(9)})
