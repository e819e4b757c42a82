"""Ask for what leaves the model least unsure of the whole pool.

A linear head that has learnt from some vectors is unsure of a vector as far as it points where none
of them points. A label of one example makes it surer of all that resembles it: this looks for the
examples that take most uncertainty from the pool, taken together. So they are typical, for they
speak for many; unlike each other and unlike what is labelled; and such that the model cannot tell
their label yet.

Cohn, Ghahramani & Jordan 1996 (arXiv:cs/9603104) chose examples by the variance that they leave,
Yu, Bi & Tresp 2006 ("Active Learning via Transductive Experimental Design",
doi:10.1145/1143844.1143980) by that over the pool, one after the other; Schein & Ungar 2007
(doi:10.1007/s10994-007-5019-5) did so for logistic regression. With as many classes as here each
would need a matrix of its own; we share one, with the mean information of all labels.
"""

import numpy as np

from model.types import Floats, Ints

DECAY = 0.01
"""Weight decay that is assumed of the head. With the head's own, 0.05, TREC-6 loses .02 of the area
under the curve, five other sets do not change by more than their error."""

FLAT = 0.2
"""How informative an example is while nothing is known about its label: p (1 - p) of an even
one."""

CANDIDATES_PER_PLACE = 20
"""Per place to fill, this many of the examples that would gain most on their own are considered."""


def least_variance(
    priority: Floats,
    vectors: Floats,
    k: int,
    rng: np.random.Generator | None = None,
    *,
    labelled: Floats,
    labelled_priority: Floats,
) -> Ints:
    """Rows of the vectors (n, d), ask-first order, at most k: each one takes most variance from the
    mean over all n, given what is labelled and the rows before it.

    priority (n,): how undecided the model is of each, p (1 - p); labelled (m, d), labelled_priority
    (m,): the same of what is labelled. An example with priority w adds w v v' to the information
    matrix; with covariance A and the pool's weighted second moment S, it takes
    w v'ASAv / (1 + w v'Av) from the mean variance.
    """
    del rng  # taken like the others of model.choosing.selection; nothing is random here
    if len(vectors) == 0:
        return np.zeros(0, np.int64)
    covariance, moment = _covariance(labelled, labelled_priority), _moment(vectors, priority)
    gains, _, _ = _gains(vectors, priority, covariance, moment)
    near = np.argsort(-gains, kind="stable")[: k * CANDIDATES_PER_PLACE]
    return near[_greedy(vectors[near], priority[near], covariance, moment, k)].astype(np.int64)


def taken_alone(
    vectors: Floats,
    priority: Floats,
    pool: Floats,
    pool_priority: Floats,
    *,
    labelled: Floats,
    labelled_priority: Floats,
) -> Floats:
    """What a label of each of the vectors (n, d) would take from the mean variance of the pool
    (p, d) by itself, (n,), >= 0: for those that are not to be compared with each other. The
    priorities as in `least_variance`."""
    covariance, moment = _covariance(labelled, labelled_priority), _moment(pool, pool_priority)
    gains, _, _ = _gains(vectors, priority, covariance, moment)
    return gains


def _covariance(labelled: Floats, priority: Floats) -> Floats:
    """A (d, d), of the weights of a head that knows these labels."""
    weighted = (labelled * priority[:, None]).T.astype(np.float64)
    inverse = np.linalg.inv(weighted @ labelled + DECAY * np.eye(labelled.shape[1]))
    result: Floats = inverse.astype(np.float32)
    return result


def _moment(vectors: Floats, priority: Floats) -> Floats:
    """S (d, d), the weighted second moment."""
    result: Floats = (vectors * priority[:, None]).T @ vectors / len(vectors)
    return result


def _gains(
    vectors: Floats, priority: Floats, covariance: Floats, moment: Floats
) -> tuple[Floats, Floats, Floats]:
    """What each of the vectors takes from the pool's variance, v'Av and v'ASAv, all (n,)."""
    seen = vectors @ covariance
    variance = np.einsum("nd,nd->n", seen, vectors)
    shared = np.einsum("nd,nd->n", seen @ moment, seen)
    return priority * shared / (1.0 + priority * variance), variance, shared


def _greedy(
    vectors: Floats, priority: Floats, covariance: Floats, moment: Floats, k: int
) -> list[int]:
    """Rows, the best first, each with those before it counted as labelled. One more label changes
    the covariance by a matrix of rank one, and so v'Av and v'ASAv by a product each."""
    gains, variance, shared = _gains(vectors, priority, covariance, moment)
    chosen: list[int] = []
    while len(chosen) < min(k, len(vectors)):
        gains[chosen] = -np.inf
        row = int(gains.argmax())
        chosen.append(row)
        direction = covariance @ vectors[row]
        step = priority[row] / (1.0 + priority[row] * variance[row])
        moved = moment @ direction
        along, across = (vectors @ np.stack([direction, covariance @ moved], axis=1)).T
        covariance = covariance - step * np.outer(direction, direction)
        variance = variance - step * along**2
        shared = shared - 2.0 * step * along * across + (step * along) ** 2 * (direction @ moved)
        gains = priority * shared / (1.0 + priority * variance)
    return chosen
