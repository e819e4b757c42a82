"""What of a dataset is nearest to the labels that have few examples.

Of a label that one item in 10,000 has, a random sample holds nothing, and the items that a head is
least sure of hold little. SEALS (Coleman et al. 2022, arXiv:2007.00077) and AnchorAL (Lesci &
Vlachos 2024, "AnchorAL: Computationally Efficient Active Learning for Large and Imbalanced
Datasets", NAACL) look among the nearest neighbours of what is labelled. They search an index; a
ranking sees all vectors anyway, so here it is one more product with each block, and exact.
"""

from dataclasses import dataclass

import numpy as np

from model.heads.head import Head, centred
from model.snapshot import Snapshot
from model.types import Floats, Ints

FEW = 20
"""A label with so many examples is not rare."""

UNEVEN = 2
"""Nor is one that has this part of the examples that each label would have if all had as many."""

MOST_LABELS, MOST_QUERIES = 16, 32
"""So many labels, and examples of them, are looked for in one ranking, drawn again for each: more
would make it last longer."""

CHUNK = 1024
"""Rows compared together, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Rare:
    """Rare labels: what is looked for. queries (d, q): centred vectors of unit length; starts (r,):
    where those of each of the r labels begin among the q."""

    queries: Floats
    starts: Ints
    centre: Floats

    def __len__(self) -> int:
        return len(self.starts)

    def distances(self, vectors: Floats) -> Floats:
        """1 minus the cosine of each of the vectors (n, d) to the nearest query of each label,
        (n, r). In [0, 2]."""
        chunks = [
            self._cosines(vectors[start : start + CHUNK]) for start in range(0, len(vectors), CHUNK)
        ]
        return 1.0 - np.concatenate([np.zeros((0, len(self)), np.float32), *chunks])

    def _cosines(self, vectors: Floats) -> Floats:
        # Not `centred`: to divide the products takes less than to divide the vectors.
        shifted = vectors.astype(np.float32) - self.centre
        along = np.maximum.reduceat(shifted @ self.queries, self.starts, axis=1)
        lengths = np.sqrt(np.einsum("nd,nd->n", shifted, shifted))
        result: Floats = along / np.maximum(lengths, 1e-12)[:, None]
        return result


def rare_labels(snapshot: Snapshot) -> Ints:
    """The labels (r,), as columns of the targets, that have few of the answered examples: fewer
    than FEW and, with one more, at most 1 / UNEVEN of what each of the question's labels would have
    if all had as many. So a label that nobody has given is rare only when it could have been
    expected."""
    found, start = [np.zeros(0, np.int64)], 0
    for part in snapshot.parts():
        counts, labels = part.targets.sum(axis=0), len(part.labels)
        is_uneven = UNEVEN * labels * (counts + 1) <= len(part.answered)
        found.append(start + np.flatnonzero((counts < FEW) & is_uneven))
        start += labels
    return np.concatenate(found)


def rare_of(snapshot: Snapshot, head: Head, seed: int) -> Rare | None:
    """What to look for, by the answered examples and the head; None where no label is rare.

    The queries of a label are its examples. Where it has none, it is the head's direction for it:
    in it points the label's name; that of a label without a name points away from all others. Equal
    for equal arguments, so that all workers of a cluster look for the same.
    """
    rng = np.random.default_rng([seed, len(snapshot.answered)])
    labels = rng.permutation(rare_labels(snapshot))[:MOST_LABELS]
    most = MOST_QUERIES // max(len(labels), 1)
    found = [_queries(snapshot, head, label, rng)[:most] for label in labels]
    found = [queries for queries in found if len(queries)]
    if not found:
        return None
    starts = np.cumsum([0, *map(len, found[:-1])])
    return Rare(np.concatenate(found).T, starts, head.centre)


def _queries(snapshot: Snapshot, head: Head, label: int, rng: np.random.Generator) -> Floats:
    """Vectors (q, d) of unit length that items of this label resemble, in random order; none of a
    label of which nothing is known."""
    rows = snapshot.answered[snapshot.targets[:, label] > 0]
    if len(rows):
        return centred(snapshot.vectors[rng.permutation(rows)], head.centre)
    direction = head.weights[:, label]
    length = np.linalg.norm(direction)
    return (direction / length)[None] if length > 0 else np.zeros((0, len(direction)), np.float32)
