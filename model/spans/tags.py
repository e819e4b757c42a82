"""Named spans in texts: as characters, as tags of tokens, and how to get from one to the other.

A token has one of the tags O (outside), B-x (the first of a span of label x) and I-x (within one):
Ramshaw & Marcus 1995, arXiv:cmp-lg/9505040, in the form in which each span begins with a B.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from model.types import Bools, Floats, Ints

OUTSIDE = 0
"""The number of the tag O. Label number k has 2 k + 1 for B and 2 k + 2 for I."""


@dataclass(frozen=True, order=True)
class Span:
    """The characters from `start` up to `end` of a text are an x."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, order=True)
class Attribute(Span):
    """What is said of the span in this place: an answer to a question about it, as `label`."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of n texts, one text after the other: t in all.

    states (t, d): the encoder's state for each; places (t, 2): its first character, and the one
    after its last; bounds (n + 1,): where each text begins, and the end.
    """

    states: Floats
    places: Ints
    bounds: Ints

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def take(self, rows: Ints) -> "Tokens":
        """The tokens of these texts, in this order."""
        counts = np.diff(self.bounds)[rows]
        bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        wanted = np.repeat(self.bounds[rows] - bounds[:-1], counts) + np.arange(bounds[-1])
        return Tokens(self.states[wanted], self.places[wanted], bounds)

    def states_of(self, row: int) -> Floats:
        """The states (m, d) of a text's tokens."""
        return self.states[self.bounds[row] : self.bounds[row + 1]]

    def places_of(self, row: int) -> Ints:
        """The places (m, 2) of a text's tokens."""
        return self.places[self.bounds[row] : self.bounds[row + 1]]


def overlap(spans: Iterable[Span], least: int = 1) -> bool:
    """Whether two of the spans share `least` characters, or more."""
    furthest = None
    for span in sorted(spans):
        if furthest is not None and min(furthest, span.end) - span.start >= least:
            return True
        furthest = span.end if furthest is None else max(furthest, span.end)
    return False


def tag_names(labels: Sequence[str]) -> tuple[str, ...]:
    """All tags by number."""
    return ("O", *(f"{kind}-{label}" for label in labels for kind in "BI"))


def tags_of(spans: Iterable[Span], places: Ints, labels: Sequence[str]) -> Ints:
    """The tags (m,) of a text's tokens at these places (m, 2).

    A token belongs to a span when half of it or more lies in it. A span within a token that is
    longer than twice its length is lost; of spans that overlap, the first one to begin counts.
    """
    number = {label: place for place, label in enumerate(labels)}
    tags = np.full(len(places), OUTSIDE, dtype=np.int64)
    lengths = places[:, 1] - places[:, 0]
    for span in sorted(spans):
        inside = np.minimum(places[:, 1], span.end) - np.maximum(places[:, 0], span.start)
        mine = np.flatnonzero((2 * inside >= lengths) & (inside > 0) & (tags == OUTSIDE))
        if span.label in number and len(mine):
            first = 2 * number[span.label] + 1
            tags[mine] = first + 1
            tags[mine[0]] = first
    return tags


def decode(probs: Floats, bounds: Ints) -> Ints:
    """The likeliest tags (t,) that make whole spans: an I-x follows a B-x or an I-x.

    probs (t, c): of each token's tags; bounds (n + 1,) of the texts.
    """
    moves = np.where(may_follow(probs.shape[1]), 0.0, -np.inf).astype(np.float32)
    return best_tags(probs, bounds, moves)


def best_tags(probs: Floats, bounds: Ints, moves: Floats) -> Ints:
    """The likeliest tags (t,), where the step from one tag to another adds `moves` (c, c) to the
    sum of the logarithms. A text begins as after an O. The Viterbi algorithm, for all texts at
    once."""
    lengths = np.diff(bounds)
    if len(probs) == 0:
        return np.zeros(0, dtype=np.int64)
    inside = np.arange(lengths.max()) < lengths[:, None]
    scores = np.zeros((*inside.shape, probs.shape[1]), dtype=np.float32)
    scores[inside] = np.log(np.maximum(probs, 1e-12))
    best = scores[:, 0] + moves[OUTSIDE]
    came_from = np.zeros((*inside.shape, probs.shape[1]), dtype=np.int64)
    itself = np.arange(probs.shape[1])
    for step in range(1, inside.shape[1]):
        ways = best[:, :, None] + moves
        going_on = inside[:, step, None]
        came_from[:, step] = np.where(going_on, ways.argmax(axis=1), itself)
        best = np.where(going_on, ways.max(axis=1) + scores[:, step], best)
    tags = np.zeros(inside.shape, dtype=np.int64)
    tags[:, -1] = best.argmax(axis=1)
    rows = np.arange(len(lengths))
    for step in range(inside.shape[1] - 1, 0, -1):
        tags[:, step - 1] = came_from[rows, step, tags[:, step]]
    return tags[inside]


def may_follow(tags: int) -> Bools:
    """(c, c): whether the second tag may follow the first."""
    first, second = np.arange(tags)[:, None], np.arange(tags)[None, :]
    is_within = (second > OUTSIDE) & (second % 2 == 0)
    result: Bools = ~is_within | (first == second) | (first == second - 1)
    return result


def spans_of_tags(
    tags: Ints, probs: Floats, places: Ints, labels: Sequence[str]
) -> list[tuple[Span, float]]:
    """The spans of one text, and how sure each is: the probability of its least certain token.

    tags (m,), probs (m, c) and places (m, 2) of its tokens.
    """
    found = []
    starts = np.flatnonzero(tags % 2 == 1)
    for start in starts.tolist():
        end = start + 1
        while end < len(tags) and tags[end] == tags[start] + 1:
            end += 1
        label = labels[(int(tags[start]) - 1) // 2]
        span = Span(int(places[start, 0]), int(places[end - 1, 1]), label)
        sure = float(probs[np.arange(start, end), tags[start:end]].min())
        found.append((span, sure))
    return found


def counts_of(texts: Iterable[Iterable[Span]], labels: Sequence[str]) -> Ints:
    """How many spans of each label each text has: (n, c)."""
    number = {label: place for place, label in enumerate(labels)}
    rows = list(texts)
    counts = np.zeros((len(rows), len(labels)), dtype=np.int64)
    for row, spans in enumerate(rows):
        for span in spans:
            if span.label in number:
                counts[row, number[span.label]] += 1
    return counts


def mean_token_margin(probs: Floats, bounds: Ints) -> Floats:
    """Priority (n,) of each text: the mean over its tokens of 1 minus (top1 - top2), in [0, 1].

    Long texts do not come first for their length alone (Settles & Craven 2008, "An Analysis of
    Active Learning Strategies for Sequence Labeling Tasks", https://aclanthology.org/D08-1112).
    """
    result: Floats = np.add.reduceat(_margins(probs), bounds[:-1]) / np.diff(bounds)
    return result


def max_token_margin(probs: Floats, bounds: Ints) -> Floats:
    """The same of the least certain token, in [0, 1]."""
    result: Floats = np.maximum.reduceat(_margins(probs), bounds[:-1])
    return result


def _margins(probs: Floats) -> Floats:
    two = np.partition(probs, -2, axis=1)[:, -2:]
    result: Floats = 1.0 - (two[:, 1] - two[:, 0])
    return result
