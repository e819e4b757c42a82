"""The map of a pool by t-SNE (van der Maaten & Hinton 2008, "Visualizing Data using t-SNE").

It is the approximation of Linderman et al. 2019 (FIt-SNE, doi:10.1038/s41592-018-0308-4), as
openTSNE implements it, and begins with principal components, which keep far groups in their places
(Kobak & Berens 2019, doi:10.1038/s41467-019-13056-x), or with the map before.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from openTSNE import TSNEEmbedding
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.initialization import jitter, rescale

from model.mapping.draft import are_equal, components, planar
from model.snapshot import Vectors
from model.types import Bools, Floats, Ints

DIMENSIONS = 50
"""Neighbours are looked for along so many principal components."""

PERPLEXITY = 30.0
"""About how many neighbours each point is drawn to."""

LEAST = 10
"""Fewer points have too few neighbours for t-SNE."""

EXACT = 10_000
"""Up to this many points a tree is the faster approximation, and interpolation beyond."""

NEIGHBOURS = 0.3
"""The share of the time that it takes to find all neighbours, roughly."""

EVERY = 20
"""Iterations between two reports."""

MOST_CELLS = 1 << 24
"""Distances that are computed at once."""

APART = 0.01
"""How far from its neighbour a new point begins, as a share of the map's standard deviation."""

GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))


@dataclass(frozen=True)
class Phase:
    """So many iterations, in which neighbours attract each other `exaggeration` times as much."""

    iterations: int
    exaggeration: float


ANEW = (Phase(250, 12.0), Phase(500, 1.0))
AGAIN = (Phase(250, 1.0),)
"""Where most points have places: exaggeration would draw all of them together first. In 500
iterations they moved nearly twice as far, and neighbours were no nearer."""


def laid_out(
    vectors: Vectors, start: Floats | None, seed: int, advanced: Callable[[float], None]
) -> Floats:
    """Vectors (n, d) to positions (n, 2), float32, in units that mean nothing.

    start (n, 2): the places on an earlier map, NaN for points that were not on it: these begin
    beside their nearest neighbour that was, and the others stay about where they were. None: no
    point has a place. advanced: called with the share of the work that is done, in [0, 1], rising.
    The same arguments give the same positions on the same machine. Fewer than LEAST points are
    placed by their principal components, and equal ones evenly on a disc.
    """
    reduced = components(vectors, DIMENSIONS, seed)
    count = len(reduced)
    if count < LEAST or are_equal(reduced):
        return _few(planar(reduced))
    threads = torch.get_num_threads()
    affinities = PerplexityBasedNN(
        reduced,
        perplexity=min(PERPLEXITY, (count - 1) / 3),
        metric="euclidean",
        n_jobs=threads,
        random_state=seed,
    )
    advanced(NEIGHBOURS)
    first, phases = _beginning(reduced, start, seed)
    embedding = TSNEEmbedding(
        first,
        affinities,
        negative_gradient_method="bh" if count <= EXACT else "fft",
        n_jobs=threads,
        random_state=seed,
    )
    _optimise(embedding, phases, advanced)
    found = np.asarray(embedding, dtype=np.float64)
    return _moved_back(found, start).astype(np.float32)


def _few(places: Floats) -> Floats:
    """The places (n, 2), unless some of them are the same: then places evenly on a disc, see Vogel
    1979, doi:10.1016/0025-5564(79)90080-4."""
    if len(np.unique(places, axis=0)) == len(places):
        return places
    number = np.arange(len(places))
    radius, angle = np.sqrt(number / len(places)), GOLDEN_ANGLE * number
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)


def _beginning(
    reduced: Floats, start: Floats | None, seed: int
) -> tuple[Floats, tuple[Phase, ...]]:
    """Where each point begins (n, 2), and what is done then."""
    known = _known(start, len(reduced))
    if start is None or not known.any() or np.ptp(start[known], axis=0).max() == 0.0:
        first: Floats = jitter(rescale(planar(reduced).astype(np.float64)), random_state=seed)
        return first, ANEW
    first = start.astype(np.float64)
    new, old = np.flatnonzero(~known), np.flatnonzero(known)
    beside = np.random.default_rng(seed).normal(0.0, APART * first[old].std(), (len(new), 2))
    first[new] = first[old[_nearest(reduced[new], reduced[old])]] + beside
    if 2 * len(old) >= len(first):
        return first, AGAIN
    first = jitter(rescale(first - first.mean(axis=0)), random_state=seed)
    return first, ANEW


def _known(start: Floats | None, count: int) -> Bools:
    """Which points (n,) have a place."""
    if start is None:
        return np.zeros(count, dtype=np.bool_)
    known: Bools = np.asarray(np.isfinite(start).all(axis=1))
    return known


def _nearest(points: Floats, others: Floats) -> Ints:
    """For each point (n, c) the row of the nearest of the others (m, c)."""
    found = np.zeros(len(points), np.int64)
    halves = (others**2).sum(axis=1) / 2.0
    step = max(1, MOST_CELLS // len(others))
    for begin in range(0, len(points), step):
        rows = slice(begin, begin + step)
        found[rows] = (halves - points[rows] @ others.T).argmin(axis=1)
    return found


def _optimise(
    embedding: TSNEEmbedding, phases: tuple[Phase, ...], advanced: Callable[[float], None]
) -> None:
    total, before = sum(phase.iterations for phase in phases), 0
    for phase in phases:

        def report(iteration: int, *_: object, before: int = before) -> None:
            advanced(NEIGHBOURS + (1.0 - NEIGHBOURS) * (before + iteration) / total)

        embedding.optimize(
            phase.iterations,
            inplace=True,
            exaggeration=phase.exaggeration,
            callbacks=report,
            callbacks_every_iters=EVERY,
        )
        before += phase.iterations


def _moved_back(places: Floats, start: Floats | None) -> Floats:
    """The places (n, 2) as a whole to where the points were that had one: t-SNE keeps the mean at
    (0, 0), and new points move it."""
    known = _known(start, len(places))
    if start is None or not known.any():
        return places
    moved: Floats = places + np.median(start[known] - places[known], axis=0)
    return moved
