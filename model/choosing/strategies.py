"""Query strategies: how much would a label of this example teach the model?

A measure is a pure function from arrays to priorities of shape (n,), higher = ask sooner. It takes
only the arrays that it uses, by these names:

- `probs` (n, c): the head's probabilities of the candidates,
- `vectors` (n, d): the candidates' centred, unit-length vectors,
- `labelled` (m, d): the vectors of what is labelled already,
- `targets` (m, c): its labels as 0 and 1,
- `nearness` (n, p): the candidates' cosines with points made on the head's decision boundary, see
  model.choosing.synthesis; there is at least one,
- `rng`: a numpy random generator.

Where it takes probabilities or nearness and no vectors it looks at each row alone: of large pools
it is given some of the rows at a time.

To add one: write the function and a line in STRATEGIES.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from model.choosing.selection import (
    cluster_centres,
    far_and_wanted,
    farthest_first,
    one_per_cluster,
    squared_distances,
    top,
)
from model.choosing.synthesis import nearest_in_turn, nearest_point
from model.choosing.variance import least_variance
from model.types import Floats, Ints

CENTRES = 20
"""Clusters that `representativeness` looks for."""

CACHED_CELLS = 1 << 18
"""Probabilities looked at together, so that they stay in the processor's cache."""

SAMPLE, NEIGHBOURS = 1000, 20
"""`density_margin` looks for the nearest neighbours among this many candidates."""


def random(vectors: Floats, rng: np.random.Generator) -> Floats:
    """The baseline: every candidate is as good as another."""
    return rng.random(len(vectors))


def least_confidence(probs: Floats) -> Floats:
    """1 minus the largest probability (Lewis & Gale 1994, arXiv:cmp-lg/9407020). In [0, 1)."""
    result: Floats = 1.0 - probs.max(axis=1)
    return result


def margin(probs: Floats) -> Floats:
    """1 minus (top1 - top2) (Scheffer et al. 2001, "Active Hidden Markov Models"). In [0, 1]."""
    if probs.shape[1] < 2:
        return least_confidence(probs)
    return _margin_of(_two_likeliest(probs)[1])


def entropy(probs: Floats) -> Floats:
    """Shannon entropy in nats (Settles 2009, "Active Learning Literature Survey"). In [0, ln c]."""
    safe = np.clip(probs, 1e-12, 1.0)
    result: Floats = -(safe * np.log(safe)).sum(axis=1)
    return result


def multilabel_margin(probs: Floats) -> Floats:
    """Minus the sum over the labels of |p - 0.5|: near 0 when every label is undecided.

    For sigmoid outputs [0.1, 0.3, 0.5, 0.1, 0.8, 0.74] that is
    -(0.4 + 0.2 + 0 + 0.4 + 0.3 + 0.24) = -1.54. In [-c / 2, 0].
    """
    result: Floats = -np.abs(probs - 0.5).sum(axis=1)
    return result


def balanced_margin(probs: Floats, targets: Floats) -> Floats:
    """`margin`, weighted towards labels that have few examples yet. In [0, 1].

    The weight of a candidate is that of its two likeliest labels, each by its share of their
    probability; a label with k examples weighs 1 / sqrt(k + 1), the rarest one 1. Where some of
    the labelled examples have no label, having none counts as a label. The aim is class balance,
    as in Bengar et al. 2022 (arXiv:2110.04543), who solve a program for each batch.
    """
    without = targets.sum(axis=1) == 0
    if without.any():
        # "None of these" is an answer like any other: a sure one is no reason to ask.
        probs = np.column_stack([probs, (1.0 - probs).prod(axis=1)])
        targets = np.column_stack([targets, without])
    rarity = 1.0 / np.sqrt(targets.sum(axis=0) + 1.0)
    rarity /= rarity.max()
    if probs.shape[1] < 2:
        return least_confidence(probs)
    two, likeliest = _two_likeliest(probs)
    shares = likeliest / np.maximum(likeliest.sum(axis=1, keepdims=True), 1e-12)
    result: Floats = _margin_of(likeliest) * (shares * rarity[two]).sum(axis=1)
    return result


def undecided(probs: Floats, targets: Floats) -> Floats:
    """The mean over the labels of p (1 - p), in [0, 0.25]: how much an answer reveals about the
    weights of a logistic head. A label with k examples counts 1 / sqrt(k + 1) of this, the rarest
    one all of it.
    """
    rarity = 1.0 / np.sqrt(targets.sum(axis=0) + 1.0)
    rarity = (rarity / rarity.max()).astype(np.float32)
    result: Floats = np.empty(len(probs), np.float32)
    for rows in _chunks(probs):
        some = probs[rows]
        result[rows] = (some * (1.0 - some)) @ rarity / probs.shape[1]
    return result


def density_margin(probs: Floats, vectors: Floats, rng: np.random.Generator) -> Floats:
    """`margin` times the mean cosine to the NEIGHBOURS nearest of SAMPLE random candidates.

    Information density (Settles & Craven 2008, doi:10.3115/1613715.1613855): an uncertain example
    among many others teaches more than an uncertain outlier. In [0, 1].
    """
    sample = vectors[rng.choice(len(vectors), min(SAMPLE, len(vectors)), replace=False)]
    cosines = vectors @ sample.T
    nearest = np.partition(cosines, -min(NEIGHBOURS, len(sample)), axis=1)[:, -NEIGHBOURS:]
    result: Floats = margin(probs) * np.clip(nearest.mean(axis=1), 0.0, 1.0)
    return result


def cardinality_margin(probs: Floats, targets: Floats) -> Floats:
    """For several labels: sqrt of `margin` times how far the number of predicted labels is from the
    mean number that the labelled examples have, >= 0.

    Label cardinality inconsistency (Li & Guo 2013, "Active Learning with Multi-Label SVM
    Classification"), with our margin instead of theirs.
    """
    inconsistency = np.abs((probs >= 0.5).sum(axis=1) - targets.sum(axis=1).mean())
    result: Floats = np.sqrt(margin(probs) * inconsistency)
    return result


def distance_to_labelled(vectors: Floats, labelled: Floats) -> Floats:
    """Euclidean distance to the nearest labelled vector (k-centre, Sener & Savarese 2018)."""
    squared = 2.0 * cosine_to_labelled(vectors, labelled)
    result: Floats = np.sqrt(np.maximum(squared, 0.0))
    return result


def cosine_to_labelled(vectors: Floats, labelled: Floats) -> Floats:
    """1 minus the cosine to the nearest labelled vector; vectors are of unit length. In [0, 2]."""
    if len(labelled) == 0:
        return np.ones(len(vectors), dtype=np.float32)
    result: Floats = 1.0 - (vectors @ labelled.T).max(axis=1)
    return result


def pearson_to_labelled(vectors: Floats, labelled: Floats) -> Floats:
    """1 minus Pearson's correlation with the nearest labelled vector. In [0, 2]."""
    return cosine_to_labelled(_standardised(vectors), _standardised(labelled))


def representativeness(vectors: Floats, rng: np.random.Generator) -> Floats:
    """Minus the distance to the nearest of CENTRES k-means centres. In (-inf, 0].

    Centre examples speak for many others (Zhdanov 2019, arXiv:1901.05954).
    """
    centres = cluster_centres(vectors, CENTRES, rng)
    squared = (vectors**2).sum(axis=1) + squared_distances(vectors, centres).min(axis=1)
    result: Floats = -np.sqrt(np.maximum(squared, 0.0))
    return result


def _two_likeliest(probs: Floats) -> tuple[Ints, Floats]:
    """The two likeliest labels (n, 2) of each row, and their probabilities (n, 2), the higher
    first. With a thousand labels two maxima take a tenth of a partition's time."""
    labels = np.zeros((len(probs), 2), dtype=np.int64)
    for rows in _chunks(probs):
        rest, mine = probs[rows].copy(), labels[rows]
        mine[:, 0] = rest.argmax(axis=1)
        np.put_along_axis(rest, mine[:, :1], -np.inf, axis=1)
        mine[:, 1] = rest.argmax(axis=1)
    return labels, np.take_along_axis(probs, labels, axis=1)


def _chunks(probs: Floats) -> Iterator[slice]:
    """The rows (n, c) in pieces of about CACHED_CELLS numbers."""
    rows = max(1, CACHED_CELLS // max(1, probs.shape[1]))
    return (slice(start, start + rows) for start in range(0, len(probs), rows))


def _margin_of(likeliest: Floats) -> Floats:
    """`margin` of the two highest probabilities (n, 2), the higher first."""
    result: Floats = 1.0 - (likeliest[:, 0] - likeliest[:, 1])
    return result


def _standardised(vectors: Floats) -> Floats:
    shifted = vectors - vectors.mean(axis=1, keepdims=True)
    result: Floats = shifted / np.maximum(np.linalg.norm(shifted, axis=1, keepdims=True), 1e-12)
    return result


def _k_center(distance: Callable[[Floats, Floats], Floats]) -> "Strategy":
    return Strategy(distance, partial(farthest_first, distance=distance))


@dataclass(frozen=True)
class Strategy:
    """What to measure, and how to choose a diverse few from the measure.

    adds_up: whether the measures of several questions can be added; if not, their ranks are.
    """

    measure: Callable[..., Floats]
    choose: Callable[..., Ints]
    adds_up: bool = False


STRATEGIES: dict[str, Strategy] = {
    "random": Strategy(random, top),
    "variance": Strategy(undecided, least_variance, adds_up=True),
    "least_confidence": Strategy(least_confidence, top),
    "margin": Strategy(margin, top),
    "entropy": Strategy(entropy, top),
    "multilabel_margin": Strategy(multilabel_margin, top),
    "k_center": _k_center(distance_to_labelled),
    "k_center_cosine": _k_center(cosine_to_labelled),
    "k_center_pearson": _k_center(pearson_to_labelled),
    "cluster_centres": Strategy(representativeness, one_per_cluster),
    "cluster_margin": Strategy(margin, one_per_cluster),
    "balanced_cluster_margin": Strategy(balanced_margin, one_per_cluster),
    "density_margin": Strategy(density_margin, one_per_cluster),
    "badge": Strategy(margin, far_and_wanted),
    "cardinality_margin": Strategy(cardinality_margin, one_per_cluster),
    "query_synthesis": Strategy(nearest_point, nearest_in_turn),
}
