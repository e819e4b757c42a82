import numpy as np
import pytest

from model.limits import within_limits
from model.spans.tags import (
    Span,
    Tokens,
    counts_of,
    decode,
    max_token_margin,
    mean_token_margin,
    spans_of_tags,
    tags_of,
)
from model.types import Ints

LABELS = ("who", "where")
OUT, B_WHO, I_WHO, B_WHERE, I_WHERE = range(5)


def places(*pairs: tuple[int, int]) -> Ints:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@pytest.mark.parametrize(
    ("spans", "tags"),
    [
        ([], [OUT, OUT, OUT, OUT]),
        ([Span(0, 7, "who")], [B_WHO, I_WHO, OUT, OUT]),
        ([Span(0, 3, "who"), Span(4, 7, "who")], [B_WHO, B_WHO, OUT, OUT]),
        ([Span(8, 12, "where"), Span(0, 3, "who")], [B_WHO, OUT, B_WHERE, OUT]),
        ([Span(0, 3, "unheard")], [OUT, OUT, OUT, OUT]),
        ([Span(1, 3, "who")], [B_WHO, OUT, OUT, OUT]),  # two of the token's three characters
        ([Span(2, 3, "who")], [OUT, OUT, OUT, OUT]),  # one of three
        ([Span(0, 7, "who"), Span(4, 12, "where")], [B_WHO, I_WHO, B_WHERE, OUT]),
    ],
)
def test_tokens_have_the_tag_of_the_span_that_they_lie_in(
    spans: list[Span], tags: list[int]
) -> None:
    assert tags_of(spans, places((0, 3), (4, 7), (8, 12), (12, 13)), LABELS).tolist() == tags


def likely(*tags: int) -> np.ndarray:
    return np.eye(5)[list(tags)] * 0.6 + 0.08


def test_what_is_likely_is_decoded() -> None:
    tags = [OUT, B_WHO, I_WHO, B_WHERE, OUT]
    assert decode(likely(*tags), np.array([0, 5])).tolist() == tags


def test_a_span_never_begins_within() -> None:
    """The likeliest tags alone would put I-who after an O, and after a B-where."""
    probs = likely(OUT, I_WHO, OUT)
    probs[1, B_WHO] = 0.3
    assert decode(probs, np.array([0, 3])).tolist() == [OUT, B_WHO, OUT]
    found = decode(likely(B_WHERE, I_WHO), np.array([0, 2])).tolist()
    assert found in ([B_WHERE, I_WHERE], [B_WHO, I_WHO], [B_WHERE, OUT], [B_WHERE, B_WHO])
    assert decode(likely(I_WHO), np.array([0, 1])).tolist() != [I_WHO]


def test_each_text_is_decoded_for_itself() -> None:
    """Also in a batch with longer ones."""
    rows = [[B_WHO, I_WHO, I_WHO, I_WHO], [OUT], [B_WHERE, I_WHERE]]
    probs = np.concatenate([likely(*row) for row in rows])
    assert decode(probs, np.array([0, 4, 5, 7])).tolist() == [tag for row in rows for tag in row]
    probs[4] = likely(I_WHO)[0]
    assert decode(probs, np.array([0, 4, 5, 7]))[4] != I_WHO, "not a part of the text before"
    assert decode(np.zeros((0, 5)), np.array([0])).tolist() == []


def test_spans_are_found_with_their_least_certain_token() -> None:
    tags = np.array([B_WHO, I_WHO, OUT, B_WHERE, B_WHERE])
    probs = likely(*tags.tolist())
    probs[1, I_WHO] = 0.4
    where = places((0, 3), (4, 7), (8, 9), (10, 12), (12, 14))
    found = spans_of_tags(tags, probs, where, LABELS)
    assert [(span, round(sure, 2)) for span, sure in found] == [
        (Span(0, 7, "who"), 0.4),
        (Span(10, 12, "where"), 0.68),
        (Span(12, 14, "where"), 0.68),
    ]


def test_spans_are_counted_by_label() -> None:
    texts = [[Span(0, 1, "who"), Span(2, 3, "who")], [], [Span(0, 1, "unheard")]]
    assert counts_of(texts, LABELS).tolist() == [[2, 0], [0, 0], [0, 0]]


def test_margins_of_a_text_are_those_of_its_tokens() -> None:
    probs = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]])
    bounds = np.array([0, 2, 3])
    np.testing.assert_allclose(mean_token_margin(probs, bounds), [0.5, 1.0])
    np.testing.assert_allclose(max_token_margin(probs, bounds), [0.8, 1.0])


def test_tokens_of_a_text() -> None:
    tokens = Tokens(np.zeros((3, 2)), places((0, 1), (2, 3), (0, 4)), np.array([0, 2, 3]))
    assert len(tokens) == 2
    assert tokens.places_of(1).tolist() == [[0, 4]]


def test_of_a_label_with_a_limit_the_surest_spans_are_kept() -> None:
    found = [
        (Span(0, 1, "who"), 0.5),
        (Span(2, 3, "where"), 0.4),
        (Span(4, 5, "who"), 0.9),
        (Span(6, 7, "where"), 0.3),
        (Span(8, 9, "who"), 0.7),
    ]
    kept = within_limits(found, {"who": 2})
    assert [span.start for span, _ in kept] == [2, 4, 6, 8]
    assert within_limits(found, {}) == found
    assert within_limits([], {"who": 2}) == []
