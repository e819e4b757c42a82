"""Questions about each span, such as whether an opinion is a good one: learnt from the span's own
tokens beside the text that it stands in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from model.heads.head import Head
from model.learner import Fit, audited_answers, fit_of
from model.snapshot import Snapshot, pool_centre
from model.spans.tags import Attribute, Span, Tokens
from model.spans.whole import Counted, whole_vectors
from model.types import Bools, Floats, Ints, Kind, LabelGroup


@dataclass(frozen=True)
class Asked:
    """What is asked about each span: the labels (c) of all questions, their kind, and the labels of
    each question, () for one. given (m): what people said of the spans of m texts."""

    labels: tuple[str, ...]
    kind: Kind
    groups: tuple[LabelGroup, ...]
    given: Sequence[Sequence[Attribute]]


@dataclass(frozen=True)
class Told:
    """Spans of which people said something. text_of (k,): the place of each one's text among m;
    spans (k); targets (k, c) of 0 and 1."""

    text_of: Ints
    spans: tuple[Span, ...]
    targets: Floats


def told_of(asked: Asked) -> Told:
    """Each span of which something was said, once."""
    column = {label: place for place, label in enumerate(asked.labels)}
    rows: dict[tuple[int, int, int], list[int]] = {}
    for text, given in enumerate(asked.given):
        for one in given:
            if one.label in column:
                rows.setdefault((text, one.start, one.end), []).append(column[one.label])
    targets = np.zeros((len(rows), len(column)), dtype=np.float32)
    for row, columns in enumerate(rows.values()):
        targets[row, columns] = 1.0
    texts = np.array([text for text, _, _ in rows], dtype=np.int64)
    return Told(texts, tuple(Span(start, end, "") for _, start, end in rows), targets)


def span_vectors(tokens: Tokens, spans: Sequence[Sequence[Span]]) -> Floats:
    """The vectors (k, 2 d) of the spans of n texts, text after text: the mean state of the tokens
    that lie in a span by half or more, and that of its text, each of unit length. A span without a
    token has the state of the nearest one."""
    texts = _unit(whole_vectors(tokens))
    found = [np.zeros((0, 2 * texts.shape[1]), np.float32)]
    for row, mine in enumerate(spans):
        if mine:
            states = tokens.states_of(row).astype(np.float32)
            inside = np.stack([_inside(span, tokens.places_of(row)) for span in mine])
            own = (inside @ states) / inside.sum(axis=1, keepdims=True)
            beside = np.repeat(texts[row][None], len(mine), axis=0)
            found.append(np.hstack([_unit(own), beside]))
    return np.concatenate(found)


@dataclass(frozen=True)
class Attributes:
    """What is learnt of the questions about spans. told: what it is fitted to; audits (k,): which
    of these spans only measure."""

    fit: Fit
    told: Told
    audits: Bools

    def counted(self, spans: Counted, texts: Ints, seed: int) -> Counted:
        """The same of spans and of these answers together; texts (n,): the places of the measured
        texts among all that are labelled, in order."""
        head, fitted, snapshot = self.fit.head, self.fit.fitted, self.fit.snapshot
        if head is None or fitted is None or not self.audits.any():
            return spans
        said, given, _ = audited_answers(head, fitted, snapshot, self.audits, seed)
        rows = np.searchsorted(texts, self.told.text_of[self.audits])
        exact, counts = spans.exact.copy(), np.zeros((3, len(texts), said.shape[1]), np.int64)
        for count, one in zip(counts, (said & given, said, given), strict=True):
            np.add.at(count, rows, one)
        exact[rows[(said != given).any(axis=1)]] = False
        return Counted(
            (*spans.labels, *head.labels),
            exact,
            *(
                np.hstack([mine, count])
                for mine, count in zip(
                    (spans.hits, spans.claims, spans.truths), counts, strict=True
                )
            ),
        )


def fit_attributes(
    asked: Asked,
    take: Callable[[Ints], Iterator[Tokens]],
    held_out: Bools,
    seed: int,
    start: Head | None,
    fixed: Head | None,
) -> Attributes | None:
    """Fit the questions about spans; None where nothing was said of a span yet. take: places among
    the m texts, in ascending order -> their tokens, some texts at a time; held_out (m,): texts that
    only measure; `start` and `fixed` as in model.learner.fast_round."""
    told = told_of(asked)
    if not len(told.text_of):
        return None
    texts = np.unique(told.text_of)
    of_text = [
        [told.spans[row] for row in np.flatnonzero(told.text_of == text).tolist()] for text in texts
    ]
    vectors, begin = [], 0
    for tokens in take(texts):
        vectors.append(span_vectors(tokens, of_text[begin : begin + len(tokens)]))
        begin += len(tokens)
    rows = np.arange(len(told.text_of))
    snapshot = Snapshot(
        ids=rows,
        vectors=np.concatenate(vectors),
        open=rows < 0,
        answered=rows,
        targets=told.targets,
        labels=asked.labels,
        kind=asked.kind,
        groups=asked.groups,
    )
    audits = held_out[told.text_of]
    centre = pool_centre(snapshot.vectors, seed)
    fit = fit_of(snapshot, (audits, audits), centre, seed, start=start, fixed=fixed)
    return Attributes(fit, told, audits)


def _inside(span: Span, places: Ints) -> Floats:
    """Which tokens (m,) at these places (m, 2) lie in the span, as 1 and 0; at least one does."""
    shared = np.minimum(places[:, 1], span.end) - np.maximum(places[:, 0], span.start)
    inside = (2 * shared >= places[:, 1] - places[:, 0]) & (shared > 0)
    if not inside.any():
        inside[shared.argmax()] = True
    return inside.astype(np.float32)


def _unit(vectors: Floats) -> Floats:
    result: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return result
