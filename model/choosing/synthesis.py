"""Ask for what is nearest to points made on the decision boundary.

Query synthesis with nearest neighbour search (Wang, Hu, Yuan & Lu 2015, "Active learning via query
synthesis and nearest neighbour search", doi:10.1016/j.neucom.2014.06.042). Between a labelled
example that has a label and one that has not (an opposite pair) lies a point at which the head
changes its mind. Halving the way between the two finds it without a look at the pool; the open task
nearest to it is what people are asked for. Further points are found beside the pair, by a step
perpendicular to it, so that queries spread along the boundary.

Three things differ from the paper. The head says which side a point is on, not the annotator: it
costs no label, so each round makes all its points anew, and those beside the pair are brought onto
the boundary as well. A label is told from its absence, which serves any number of labels, one or
several an example; where a third label lies between those of a pair, the point is on the boundary
with that one. And vectors have unit length here, so points have it, too, and the nearest task is
that of the largest cosine.
"""

from collections.abc import Callable

import numpy as np

from model.types import Bools, Floats, Ints

PAIRS = 50
"""Opposite pairs that are drawn for each question, the labels in turn; each makes two points."""

HALVINGS = 12
"""Then the ends of a pair are less than a tenth of a degree apart."""

CLOSE = 0.01
"""Ends nearer to each other than this are a point of the boundary. In units of a vector's
length."""

ASIDE = 0.5
"""Length of the step perpendicular to a pair, in units of a vector's length."""


def boundary_points(
    given: Callable[[Floats], Bools], vectors: Floats, targets: Floats, rng: np.random.Generator
) -> Floats:
    """Points (p, d) of unit length on the boundary of one label or another, at most 2 PAIRS.

    given: from points (n, d) to the labels that the head gives them (n, c); vectors (m, d), targets
    (m, c): what is labelled. Pairs that the head does not tell apart make none, so there is none
    where all are labelled alike.
    """
    labels, have, lack = opposite_pairs(targets, rng)
    inside, outside = vectors[have], vectors[lack]
    step = ASIDE * perpendicular(inside - outside, rng)
    return bisected(
        given,
        np.concatenate([inside, _unit(inside + step)]),
        np.concatenate([outside, _unit(outside + step)]),
        np.concatenate([labels, labels]),
    )


def opposite_pairs(targets: Floats, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """PAIRS labels, and for each the row of an example that has it and of one that lacks it.

    All labels with both kinds of examples have their turn, rare ones as often as others. Empty if
    there is no such label.
    """
    examples = (targets > 0).sum(axis=0)
    divided = np.flatnonzero((examples > 0) & (examples < len(targets)))
    if len(divided) == 0:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    labels = np.resize(rng.permutation(divided), PAIRS)
    columns = [targets[:, label] > 0 for label in labels]
    have = np.array([rng.choice(np.flatnonzero(column)) for column in columns])
    lack = np.array([rng.choice(np.flatnonzero(~column)) for column in columns])
    return labels, have, lack


def bisected(
    given: Callable[[Floats], Bools], inside: Floats, outside: Floats, labels: Ints
) -> Floats:
    """The points (p, d) at which the way from each of `inside` (n, d) to that of `outside` leaves
    its label (n,). p < n if the head gives an end the wrong answer, or if the two are opposite to
    each other on the sphere, so that no way is the shortest."""
    rows = np.arange(len(labels))
    for _ in range(HALVINGS):
        middle = _unit(inside + outside)
        has_label = given(middle)[rows, labels][:, None]
        inside, outside = np.where(has_label, middle, inside), np.where(has_label, outside, middle)
    is_between = given(inside)[rows, labels] & ~given(outside)[rows, labels]
    is_close = np.linalg.norm(inside - outside, axis=1) < CLOSE
    points: Floats = _unit(inside + outside)[is_between & is_close]
    return points


def perpendicular(directions: Floats, rng: np.random.Generator) -> Floats:
    """A random vector of unit length perpendicular to each of the directions (n, d)."""
    drawn = rng.standard_normal(directions.shape, dtype=np.float32)
    along = _unit(directions)
    return _unit(drawn - (drawn * along).sum(axis=1, keepdims=True) * along)


def nearest_point(nearness: Floats) -> Floats:
    """The cosine to the nearest point of the boundary. In [-1, 1]."""
    result: Floats = nearness.max(axis=1)
    return result


def nearest_in_turn(
    priority: Floats, vectors: Floats, k: int, rng: np.random.Generator, *, nearness: Floats
) -> Ints:
    """At most k rows, ask-first order: the nearest to the first point, of the others the nearest to
    the second, and so on; after the last point the first has its turn again.

    nearness (n, p): the rows' cosines with the points.
    """
    del vectors, rng  # taken like the others of model.choosing.selection
    left = nearness.T.copy()
    chosen: list[int] = []
    for place in range(min(k, len(priority))):
        row = int(left[place % len(left)].argmax())
        chosen.append(row)
        left[:, row] = -np.inf
    return np.array(chosen, dtype=np.int64)


def _unit(vectors: Floats) -> Floats:
    """Scaled to unit length; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Floats = vectors / np.maximum(lengths, 1e-12)
    return result
