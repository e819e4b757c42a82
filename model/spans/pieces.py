"""Labelled pieces of sounds: what differs from spans of texts.

A sound has a token for each step in time, and its places are milliseconds. What two people mark of
the same sound never ends at the same millisecond.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from model.spans.tags import (
    OUTSIDE,
    Span,
    Tokens,
    best_tags,
    decode,
    max_token_margin,
    may_follow,
    mean_token_margin,
)
from model.types import Bools, Floats, Ints, Layout, Medium

LEAST_OVERLAP = 0.5
"""The intersection over union of a found and a marked piece from which on they are the same."""

SWITCH = 3.0
"""What a change of the label from one step to the next costs, in nats: single steps flicker. A
piece of one step is found where it is 400 times as likely as nothing. F1 on made sounds with 20
labels was .77 with 1, .83 with 3 and .83 with 4; see tests/benchmarks/segments.py."""

Pair = tuple[Span, Span]


@dataclass(frozen=True)
class Rules:
    """How spans are learnt of one medium.

    chunk: examples whose tokens are in memory at once; read: tokens as an encoder gives them to
    those that the head reads; decode: probabilities (t, 2 c + 1) of tags and the examples' bounds
    (n + 1,) to tags (t,); sure: to the probabilities of which a span shows the least; same: the
    pairs of a found and a marked span that are the same, each span in at most one; priority:
    probabilities and bounds to how much each example would teach, (n,); most: tokens to learn from,
    None for what is usual; limits: labels -> how many spans each may have in one example.
    """

    chunk: int
    read: Callable[[Tokens], Tokens]
    decode: Callable[[Floats, Ints], Ints]
    sure: Callable[[Floats], Floats]
    same: Callable[[Sequence[Span], Sequence[Span]], list[Pair]]
    priority: Callable[[Floats, Ints], Floats]
    most: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


def as_they_are(tokens: Tokens) -> Tokens:
    return tokens


def of_tags(probs: Floats) -> Floats:
    """The probabilities (t, 2 c + 1) themselves."""
    return probs


def of_labels(probs: Floats) -> Floats:
    """The same where B-x and I-x each have the probability of x: nobody can say at which step of a
    sound a piece begins."""
    both = probs.copy()
    both[:, 1::2] = both[:, 2::2] = probs[:, 1::2] + probs[:, 2::2]
    return both


def equal(found: Sequence[Span], marked: Sequence[Span]) -> list[Pair]:
    """The pairs with the same places and the same label."""
    both = set(marked)
    return [(span, span) for span in dict.fromkeys(found) if span in both]


def overlapping(found: Sequence[Span], marked: Sequence[Span]) -> list[Pair]:
    """The pairs of the same label with an intersection over union of LEAST_OVERLAP or more, those
    with the largest first: what counts as right in the detection of sound events (Mesaros et al.
    2016, "Metrics for Polyphonic Sound Event Detection", doi:10.3390/app6060162)."""
    pairs = [
        (-_overlap(one, other), one, other)
        for one in set(found)
        for other in set(marked)
        if one.label == other.label and _overlap(one, other) >= LEAST_OVERLAP
    ]
    left, free, kept = set(found), set(marked), []
    for _, one, other in sorted(pairs):
        if one in left and other in free:
            kept.append((one, other))
            left.remove(one)
            free.remove(other)
    return kept


def _overlap(one: Span, other: Span) -> float:
    """Intersection over union, in [0, 1]."""
    both = min(one.end, other.end) - max(one.start, other.start)
    return max(0, both) / (max(one.end, other.end) - min(one.start, other.start))


def agreed_pieces(votes: Sequence[Sequence[Span]]) -> list[Span] | None:
    """The stretches that more than half of the people marked with a label, where these marked the
    votes; None where people marked something and agree on nothing."""
    if len(votes) == 1:
        return list(votes[0])
    labels = {span.label for vote in votes for span in vote}
    agreed = [span for label in labels for span in _agreed_of(label, votes)]
    is_none = 2 * sum(not vote for vote in votes) > len(votes)
    return sorted(agreed) if agreed or is_none else None


def _agreed_of(label: str, votes: Sequence[Sequence[Span]]) -> Iterator[Span]:
    """The same of one label."""
    edges = [
        edge
        for vote in votes
        for start, end in _joined(sorted(span for span in vote if span.label == label))
        for edge in ((start, 1), (end, -1))
    ]
    count, start = 0, None
    for place, change in sorted(edges):
        count += change
        if start is None and 2 * count > len(votes):
            start = place
        elif start is not None and 2 * count <= len(votes):
            yield from [Span(start, place, label)] if place > start else []
            start = None


def _joined(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Places of spans in order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for span in spans:
        if joined and span.start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], span.end))
        else:
            joined.append((span.start, span.end))
    return joined


def with_changes(tokens: Tokens) -> Tokens:
    """Each state (d) with how much it differs from the one before and the one after beside it:
    (2 d), float32. Where a piece begins, much changes, and some sounds are called after it."""
    states = tokens.states.astype(np.float32)
    changes = np.abs(np.diff(states, axis=0))
    changes[tokens.bounds[1:-1] - 1] = 0.0  # from one sound to the next
    around = np.zeros_like(states)
    around[1:] += changes
    around[:-1] += changes
    return Tokens(np.hstack([states, around]), tokens.places, tokens.bounds)


def smooth(probs: Floats, bounds: Ints) -> Ints:
    """The likeliest tags (t,) of probabilities (t, 2 c + 1) where each change of the label costs
    SWITCH. A piece is divided where a beginning is likelier than that it goes on."""
    moves = np.where(_is_same(probs.shape[1]), 0.0, -SWITCH)
    moves[~may_follow(probs.shape[1])] = -np.inf
    tags = best_tags(of_labels(probs), bounds, moves)
    inside = np.flatnonzero((tags != OUTSIDE) & (tags % 2 == 0))
    divided = inside[probs[inside, tags[inside] - 1] > 0.5]
    tags[divided] -= 1
    return tags


def _is_same(tags: int) -> Bools:
    """(c, c): whether the second tag goes on with the label of the first."""
    label = (np.arange(tags) + 1) // 2
    is_beginning = (np.arange(tags) % 2 == 1)[None, :]
    result: Bools = (label[:, None] == label[None, :]) & ~is_beginning
    return result


def mean_step_margin(probs: Floats, bounds: Ints) -> Floats:
    """Priority (n,) of each sound: the mean over its steps of 1 minus the difference between its
    likeliest two labels, no label being one, in [0, 1]."""
    return mean_token_margin(np.hstack([probs[:, :1], of_labels(probs)[:, 1::2]]), bounds)


OF_TEXTS = Rules(512, as_they_are, decode, of_tags, equal, max_token_margin)
OF_SOUNDS = Rules(16, with_changes, smooth, of_labels, overlapping, mean_step_margin, most=6000)
RULES: dict[Medium, Rules] = {"tokens": OF_TEXTS, "steps": OF_SOUNDS}
"""The medium that an encoder reads token by token -> how its spans are learnt."""


def rules_of(layout: Layout) -> Rules:
    """How spans of what examples consist of are learnt."""
    return RULES.get(layout[0], OF_TEXTS)
