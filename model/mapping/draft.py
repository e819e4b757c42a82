"""A map in a second: the two directions in which the pool's vectors differ most."""

from typing import TYPE_CHECKING

import numpy as np

from model.types import Floats, Ints

if TYPE_CHECKING:
    from model.snapshot import Vectors

SAMPLE = 10_000
"""Components are computed from at most this many rows."""

BLOCK = 8192
"""Rows projected at once, so that a large pool is never in memory as float32."""

EXACT = 1000
"""The most columns of which all eigenvectors are computed."""

SPREAD = 1e-6
"""Vectors that differ by less are equal but for rounding; centred ones have length 1."""


def principal(vectors: "Vectors", seed: int) -> Floats:
    """Vectors (n, d) to positions (n, 2), float32, along the first two principal components of
    `components`; all at (0, 0) where the vectors are equal. seed: of the sample that components are
    computed from."""
    return planar(components(vectors, 2, seed))


def planar(reduced: Floats) -> Floats:
    """The first two columns of an array (n, c); zeros in place of those that it does not have."""
    found = np.zeros((len(reduced), 2), np.float32)
    columns = min(2, reduced.shape[1])
    found[:, :columns] = reduced[:, :columns]
    return found


def components(vectors: "Vectors", most: int, seed: int) -> Floats:
    """Vectors (n, d), centred and of unit length, along their first principal components: an array
    (n, min(most, d)), float32, the component with the largest variance first.

    The components are those of a random sample of SAMPLE rows. Of each, the largest entry is
    positive, so that the same pool always lies the same way round.
    """
    # Both load scipy, which the server does without at its start.
    from model.heads.head import centred  # noqa: PLC0415
    from model.snapshot import pool_centre  # noqa: PLC0415

    count, dimension = vectors.shape
    found = np.zeros((count, min(most, dimension)), np.float32)
    if count == 0:
        return found
    centre = pool_centre(vectors, seed)
    sample = centred(vectors[_sample(count, seed)], centre)
    mean = sample.mean(axis=0)
    axes = _axes(sample - mean, found.shape[1], seed)
    for start in range(0, count, BLOCK):
        rows = np.arange(start, min(count, start + BLOCK))
        found[rows] = (centred(vectors[rows], centre) - mean) @ axes
    return found


def are_equal(reduced: Floats) -> bool:
    """Whether all rows (n, c) are the same but for rounding; also where there are none."""
    return len(reduced) == 0 or float(np.ptp(reduced, axis=0).max(initial=0.0)) < SPREAD


def _sample(count: int, seed: int) -> Ints:
    if count <= SAMPLE:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, SAMPLE, replace=False))


def _axes(rows: Floats, most: int, seed: int) -> Floats:
    """Unit vectors (d, most), one a column, along which the rows (n, d), of mean zero, vary most;
    zeros in place of those that a few wide rows do not have."""
    axes = _of_narrow(rows)[:, :most] if rows.shape[1] <= EXACT else _of_wide(rows, most, seed)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    signed: Floats = axes * np.where(largest < 0, -1.0, 1.0).astype(np.float32)
    return signed


def _of_narrow(rows: Floats) -> Floats:
    """All of them (d, d)."""
    _, ascending = np.linalg.eigh(rows.T @ rows)
    descending: Floats = ascending[:, ::-1]
    return descending


def _of_wide(rows: Floats, most: int, seed: int) -> Floats:
    """Nearly the same, by a randomised decomposition (Halko, Martinsson & Tropp 2011, "Finding
    Structure with Randomness", arXiv:0909.4061): lists have thousands of columns, and eigenvectors
    of as many took 20 seconds."""
    from sklearn.utils.extmath import randomized_svd  # noqa: PLC0415 (as above)

    _, _, axes = randomized_svd(rows, n_components=min(most, *rows.shape), random_state=seed)
    columns = np.zeros((rows.shape[1], most), np.float32)
    columns[:, : len(axes)] = axes.T
    return columns
