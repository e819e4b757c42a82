"""From what networks say to vectors of unit length."""

import numpy as np

from model.types import Floats, Ints


def unit(rows: Floats) -> Floats:
    """Rows (n, d) scaled to unit length; a row of zeros stays."""
    result: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return result


def standardised(pooled: Floats) -> Floats:
    """States (n, d) to vectors (n, d) of mean 0 over the dimensions and unit length."""
    # The same as layer normalisation up to a constant factor, so that `export` can write it as part
    # of an ordinary network. The mean is one of d degrees of freedom: dropping it costs nothing.
    return unit(pooled - pooled.mean(axis=1, keepdims=True))


def means_of_parts(states: Floats, lengths: Ints) -> Floats:
    """States of parts (sum of lengths, d), example after example, each with one or more, to the
    mean of each example (n, d); the states themselves where each has one."""
    if len(states) == len(lengths):
        return states
    starts = np.cumsum([0, *lengths])[:-1]
    result: Floats = np.add.reduceat(states, starts, axis=0) / np.asarray(lengths)[:, None]
    return result.astype(states.dtype)
