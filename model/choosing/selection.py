"""From priorities to the rows to ask for, best first: four ways to be diverse, or not at all."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from model.types import Floats, Ints

CANDIDATES_PER_PLACE = 10
"""`one_per_cluster` looks at this many of the most wanted rows for each place to fill."""

ROWS_PER_CENTRE = 100
"""k-means fits its centres to at most this many rows a centre; all rows are then assigned."""


class Choose(Protocol):
    """priority (n,), vectors (n, d), number of rows, rng -> rows (min(k, n),), ask-first order."""

    def __call__(
        self, priority: Floats, vectors: Floats, k: int, rng: np.random.Generator
    ) -> Ints: ...


def top(priority: Floats, vectors: Floats, k: int, rng: np.random.Generator) -> Ints:
    """The k rows of highest priority; among equals the choice is random, not by row number."""
    del vectors
    shuffled = rng.permutation(len(priority))
    order = shuffled[np.argsort(-priority[shuffled], kind="stable")]
    return order[:k].astype(np.int64)


def one_per_cluster(priority: Floats, vectors: Floats, k: int, rng: np.random.Generator) -> Ints:
    """Cluster-Margin (Citovsky et al. 2021, arXiv:2107.14263), made for a queue.

    The most wanted rows are clustered into k groups and taken in turn, one from each group. Where
    the paper visits small clusters first, we visit the one with the most wanted row first: a queue
    that is refreshed after each label must start with its best task.
    """
    candidates = top(priority, vectors, k * CANDIDATES_PER_PLACE, rng)
    if len(candidates) <= k:
        return candidates
    assigned = nearest_centre(vectors[candidates], cluster_centres(vectors[candidates], k, rng))
    # Candidates come best first, so the n-th row seen of a cluster is the n-th best of it.
    seen: dict[int, int] = {}
    turn = np.empty(len(candidates), dtype=np.int64)
    for place, cluster in enumerate(assigned.tolist()):
        turn[place] = seen[cluster] = seen.get(cluster, -1) + 1
    return candidates[np.argsort(turn, kind="stable")][:k]


def farthest_first(
    priority: Floats,
    vectors: Floats,
    k: int,
    rng: np.random.Generator,
    *,
    distance: Callable[[Floats, Floats], Floats],
) -> Ints:
    """k-Center-Greedy (Sener & Savarese 2018, arXiv:1708.00489).

    `priority` is each row's distance to what is labelled; a chosen row counts as labelled for the
    next choice. `distance` maps (n, d) and (1, d) to (n,).
    """
    remaining = priority.astype(np.float32).copy()
    chosen: list[int] = []
    first = top(priority, vectors, 1, rng)
    for _ in range(min(k, len(priority))):
        row = int(first[0]) if not chosen else int(np.argmax(remaining))
        chosen.append(row)
        remaining = np.minimum(remaining, distance(vectors, vectors[row : row + 1]))
        remaining[chosen] = -np.inf
    return np.array(chosen, dtype=np.int64)


def far_and_wanted(priority: Floats, vectors: Floats, k: int, rng: np.random.Generator) -> Ints:
    """BADGE (Ash et al. 2020, arXiv:1906.03671) without the labels' part of its gradients.

    k-means++ seeding on priority * vector: the most wanted row first, then rows drawn by their
    squared distance to the chosen ones, so that a row must be wanted and unlike them. A linear
    head's gradient is its error times the vector; the paper keeps the error of each label, we its
    size, which is what `priority` should be.
    """
    points = (priority[:, None] * vectors).astype(np.float32)
    lengths = (points**2).sum(axis=1)
    chosen = [int(row) for row in top(priority, vectors, 1, rng)]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < min(k, len(points)):
        last = chosen[-1]
        to_last = lengths + lengths[last] - 2.0 * (points @ points[last])
        nearest = np.minimum(nearest, np.maximum(to_last, 0.0))
        # More than nothing, so that rows that equal a chosen one can come when no other is left.
        weights = nearest + 1e-12
        weights[chosen] = 0.0
        chosen.append(int(rng.choice(len(points), p=weights / weights.sum())))
    return np.array(chosen, dtype=np.int64)


def cluster_centres(vectors: Floats, k: int, rng: np.random.Generator) -> Floats:
    """Centres (min(k, n), d) of a k-means clustering of vectors (n, d)."""
    # Not at import: sklearn takes a second to load, and the usual strategy needs no clusters.
    from sklearn.cluster import KMeans  # noqa: PLC0415

    sample, most = vectors, ROWS_PER_CENTRE * k
    if len(vectors) > most:
        sample = vectors[np.sort(rng.choice(len(vectors), most, replace=False))]
    distinct = len(np.unique(sample, axis=0))
    seed = int(rng.integers(2**31))
    found = KMeans(min(k, distinct), n_init=1, max_iter=50, random_state=seed).fit(sample)
    centres: Floats = found.cluster_centers_
    return centres


def nearest_centre(vectors: Floats, centres: Floats) -> Ints:
    """For each of the vectors (n, d) the row (n,) of the nearest of the centres (k, d)."""
    nearest: Ints = np.argmin(squared_distances(vectors, centres), axis=1).astype(np.int64)
    return nearest


def squared_distances(vectors: Floats, centres: Floats) -> Floats:
    """Squared euclidean distances (n, k), up to a constant a row: |c|^2 - 2 v.c."""
    result: Floats = (centres**2).sum(axis=1) - 2.0 * (vectors @ centres.T)
    return result
