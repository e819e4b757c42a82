"""What is chosen of an example's own candidates, and their order, by one score of each.

A candidate's score is linear in what it has more of than the others of its example have on average,
and in the products of that with what is shown beside them. Of two candidates, the one with the
higher score is preferred with the logistic function of the difference: the model of Bradley & Terry
(1952, doi:10.2307/2334029). One of several is chosen with the softmax of their scores, as Luce
(1959, "Individual Choice Behavior") and McFadden (1974, "Conditional logit analysis of qualitative
choice behavior") do, and an order is one of pairs. Each of several is chosen or not for itself.

All this is learnt as pairs are, so that a head of any of these kinds has one column of weights, and
one number as its bias, for all of its labels. A vector (MOST_CANDIDATES + 1) * d holds the
vectors of the candidates one after the other, zeros where an example has fewer, and that of what is
beside them, zeros where there is nothing.
"""

import math
from collections.abc import Iterator

import numpy as np

from model.heads.logistic import fit_logistic
from model.heads.orders import ORDERED
from model.snapshot import Vectors
from model.types import MOST_CANDIDATES, Bools, Floats, Ints, Kind

ALONG, NEARNESS = 0.5, 3.0
"""How much the products of a difference with what is beside the things count, each by itself and
their sum, as against the difference. With half of ALONG's products and the sum, 200 labels of pairs
of news beside a third of the topic to choose were right in .73; with the difference alone in .49.
Where what is beside them does not matter, .87 both."""

PREFERRED_L2, EACH_L2 = 1.5, 0.25
"""Weight decay, relative to the loss of one pair of candidates, of which each of two columns has
half of the weights, and to that of one candidate. With 0.5, the decay of examples that are a single
pair, 100 choices among four news by the topic of another text were right in .50, with 1.5 in .52;
orders by topic in .90 and .91; `candidates` lose .01 with three times their decay after 25."""

ABSENT = -50.0
"""The logit of what is said of a place where an example has no candidate."""

ROWS = 512
"""Examples looked at at once."""

FIRST, SECOND = np.array(ORDERED, dtype=np.int64).T


def width_of(dimension: int) -> int:
    """How many features a candidate has in vectors of this dimension."""
    return 2 * (dimension // (MOST_CANDIDATES + 1)) + 1


def is_there(vectors: Floats) -> Bools:
    """Which places of each example hold a candidate, (n, MOST_CANDIDATES)."""
    return np.asarray(_split(vectors)[0].any(axis=2))


def features_of(vectors: Vectors, rows: Ints, places: Ints) -> Floats:
    """The features (m, width) of the candidates in these rows and places, (m,) each."""
    found = np.empty((len(rows), width_of(vectors.shape[1])), np.float32)
    for part in _chunks(len(rows)):
        things, beside = _split(np.asarray(vectors[rows[part]], np.float32))
        mine = things[np.arange(len(things)), places[part]] - _mean(things)
        products = mine * beside
        d = mine.shape[1]
        found[part, :d] = mine
        found[part, d : 2 * d] = ALONG * math.sqrt(d) * products
        found[part, -1] = NEARNESS * products.sum(axis=1)
    return found


def scores_of(vectors: Vectors, weights: Floats) -> Floats:
    """The score of each candidate (n, MOST_CANDIDATES), 0 in the mean of each example and where it
    has none. weights (width,)."""
    d = (len(weights) - 1) // 2
    own = weights[:d]
    along = ALONG * math.sqrt(d) * weights[d : 2 * d] + NEARNESS * weights[-1]
    found = np.zeros((len(vectors), MOST_CANDIDATES), np.float32)
    for part in _chunks(len(vectors)):
        things, beside = _split(np.asarray(vectors[np.arange(len(vectors))[part]], np.float32))
        there = things.any(axis=2)
        scores = np.einsum("nkd,nd->nk", things, own + beside * along)
        mean = scores.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        found[part] = np.where(there, scores - mean[:, None], 0.0)
    return found


def list_logits(vectors: Vectors, weights: Floats, bias: float, kind: Kind) -> Floats:
    """The logits (n, c) of the labels of this kind, ABSENT where there is no such candidate."""
    scores = scores_of(vectors, weights)
    there = np.empty(scores.shape, np.bool_)
    for part in _chunks(len(vectors)):
        there[part] = is_there(vectors[np.arange(len(vectors))[part]])
    if kind == "ranking":
        both = there[:, FIRST] & there[:, SECOND]
        return np.where(both, scores[:, FIRST] - scores[:, SECOND], ABSENT).astype(np.float32)
    return np.where(there, scores + bias, ABSENT).astype(np.float32)


def fit_scores(
    vectors: Floats, targets: Floats, kind: Kind, start: Floats, bias: float
) -> tuple[Floats, float]:
    """The weights (width,) of scores, and the bias of `candidates`; vectors (n, d), targets (n, c)
    of 0 and 1. `start` and `bias`: where to begin."""
    fit = _fit_each if kind == "candidates" else _fit_preferred
    return fit(vectors, targets, kind, start, bias)


def _fit_each(
    vectors: Floats, targets: Floats, kind: Kind, start: Floats, bias: float
) -> tuple[Floats, float]:
    """Each candidate is chosen or not."""
    rows, places = np.nonzero(is_there(vectors))
    features = features_of(vectors, rows, places)
    features = np.hstack([features, np.ones((len(rows), 1), np.float32)])
    begin = np.append(start, bias)[:, None]
    theta, _ = fit_logistic(features, targets[rows, places][:, None], "multiple", EACH_L2, begin)
    return theta[:-1, 0], float(theta[-1, 0])


def _fit_preferred(
    vectors: Floats, targets: Floats, kind: Kind, start: Floats, bias: float
) -> tuple[Floats, float]:
    """Each pair of which one is preferred is an example of that, and all pairs of one row together
    count as much as the other candidates that it has."""
    rows, better, worse = _preferred(vectors, targets, kind)
    if len(rows) == 0:
        return start, bias
    more = features_of(vectors, rows, better) - features_of(vectors, rows, worse)
    others = is_there(vectors).sum(axis=1) - 1
    weight = others / np.maximum(np.bincount(rows, minlength=len(vectors)), 1)
    wanted = np.stack([weight[rows], np.zeros(len(rows))], axis=1)
    both = np.stack([start, -start], axis=1) / 2
    theta, _ = fit_logistic(more, wanted, "pair", PREFERRED_L2, both)
    return theta[:, 0] - theta[:, 1], bias


def _preferred(vectors: Floats, targets: Floats, kind: Kind) -> tuple[Ints, Ints, Ints]:
    """Rows, and the place that each prefers to another."""
    there = is_there(vectors)
    if kind == "ranking":
        rows, labels = np.nonzero((targets > 0) & there[:, FIRST] & there[:, SECOND])
        return rows, FIRST[labels], SECOND[labels]
    others = there & ~(targets > 0)
    chosen = targets.argmax(axis=1)
    rows, worse = np.nonzero(others & (targets.sum(axis=1) > 0)[:, None])
    return rows, chosen[rows], worse


def comparable(truth: Bools, kind: Kind) -> Bools:
    """Of which labels (n, c) the answers (n, c) say whether they are right: of an order not what
    it leaves open, as between candidates in one bucket."""
    if kind != "ranking":
        return np.ones(truth.shape, np.bool_)
    opposite = np.array([ORDERED.index((other, one)) for one, other in ORDERED])
    result: Bools = truth | truth[:, opposite]
    return result


def as_pairs(
    vectors: Vectors, logits: Floats, kind: Kind, answered: Ints, targets: Floats
) -> tuple[Floats, Floats]:
    """Of each example what a model is least sure of, (n, width) as float16, the difference of two
    candidates: of a choice the two likeliest ones, of an order two neighbours; of `candidates` the
    one by itself. And the targets (m, 2) of those that are answered, in rows `answered` (m,), with
    targets (m, c).

    So whatever chooses pairs chooses lists. To find out whether the model is right, of an answered
    example the likeliest of the others stands beside what is chosen. Every second row is turned
    round, for one side must not be the likelier one."""
    strength = strengths_of(logits, kind)
    places = _hardest(strength, kind)
    given = np.zeros((len(answered), 2), np.float32)
    for place, (row, target) in enumerate(zip(answered.tolist(), targets, strict=True)):
        places[row], is_first = _as_answered(logits[row], strength[row], target, places[row], kind)
        given[place] = (is_first, not is_first)
    rows = np.arange(len(vectors))
    turn = np.where(rows % 2, -1.0, 1.0)
    found = np.empty((len(vectors), width_of(vectors.shape[1])), np.float16)
    for part in _chunks(len(vectors)):
        some = features_of(vectors, rows[part], places[part, 0])
        if kind != "candidates":
            some -= features_of(vectors, rows[part], places[part, 1])
        found[part] = turn[part, None] * some
    turned = turn[answered] < 0
    given[turned] = given[turned, ::-1]
    return found, given


def strengths_of(logits: Floats, kind: Kind) -> Floats:
    """How good each candidate is by logits (n, c) of its kind, (n, MOST_CANDIDATES), -inf where
    there is none: of a ranking the mean by which it precedes the others, whose sign and order are
    those of the scores."""
    if kind != "ranking":
        return np.where(logits > ABSENT, logits, -np.inf)
    known = logits > ABSENT
    table = np.zeros((len(logits), MOST_CANDIDATES, MOST_CANDIDATES), np.float32)
    table[:, FIRST, SECOND] = np.where(known, logits, 0.0)
    there = np.zeros(table.shape, np.bool_)
    there[:, FIRST, SECOND] = known
    count = there.sum(axis=2)
    return np.where(count > 0, table.sum(axis=2) / np.maximum(count + 1, 1), -np.inf)


def _hardest(strength: Floats, kind: Kind) -> Ints:
    """The two places (n, 2) that are the hardest to tell apart; of `candidates` the first counts.
    Twice the same where there is one candidate."""
    rows = np.arange(len(strength))
    if kind == "candidates":
        least = np.where(np.isfinite(strength), np.abs(strength), np.inf).argmin(axis=1)
        return np.stack([least, least], axis=1)
    order = np.argsort(-strength, axis=1, kind="stable")
    at = np.zeros(len(strength), np.int64)
    if kind == "ranking":
        ranked = np.where(np.isfinite(strength), strength, np.nan)
        ranked = np.take_along_axis(ranked, order, axis=1)
        gaps = ranked[:, :-1] - ranked[:, 1:]
        at = np.where(np.isfinite(gaps), gaps, np.inf).argmin(axis=1)
    first, second = order[rows, at], order[rows, at + 1]
    is_alone = ~np.isfinite(strength[rows, second])
    return np.stack([first, np.where(is_alone, first, second)], axis=1).astype(np.int64)


def _as_answered(
    logits: Floats, strength: Floats, target: Floats, places: Ints, kind: Kind
) -> tuple[tuple[int, int], bool]:
    """The two places to look at of an answered example, and whether the first one is preferred."""
    first, second = int(places[0]), int(places[1])
    given = np.flatnonzero(target > 0)
    if kind == "candidates":
        return (first, second), bool(target[first] > 0)
    if len(given) == 0:
        return (first, second), True
    if kind == "ranking":
        return ORDERED[int(given[np.abs(logits[given]).argmin()])], True
    chosen = int(given[0])
    others = np.where(np.arange(len(strength)) == chosen, -np.inf, strength)
    likeliest = int(others.argmax())
    return (chosen, likeliest if np.isfinite(others[likeliest]) else chosen), True


def _split(vectors: Floats) -> tuple[Floats, Floats]:
    """The candidates (n, MOST_CANDIDATES, d), and what is beside them (n, d)."""
    parts = vectors.reshape(len(vectors), MOST_CANDIDATES + 1, -1)
    return parts[:, :-1], parts[:, -1]


def _mean(things: Floats) -> Floats:
    """The mean (n, d) of the candidates that are there."""
    count = np.maximum(things.any(axis=2).sum(axis=1), 1)
    result: Floats = things.sum(axis=1) / count[:, None]
    return result


def _chunks(rows: int) -> Iterator[slice]:
    return (slice(start, start + ROWS) for start in range(0, rows, ROWS))
