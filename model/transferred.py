"""What the head of an earlier project says of the next one's examples, as a source of weak labels.

It decides as it did there, and how far that is right here is learnt from people's labels, see
`model.heads.sources`.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from model.heads.head import CHUNK, Head
from model.heads.sources import Source
from model.snapshot import Vectors
from model.types import EXCLUSIVE, Bools, Floats, Ints, Kind


def votes_of(
    name: str, head: Head, vectors: Vectors, centre: Floats, places: Mapping[int, int], kind: Kind
) -> Source:
    """The decisions of an earlier head on vectors (n, d), as votes of the source `name`.

    centre (d,): of these vectors, which takes the place of the earlier pool's; places: columns of
    the head's labels -> columns of the labels here; kind: of these. A decision for labels that are
    not here is no vote, nor is one for several labels or none where exactly one is asked for.
    """
    head = replace(head, centre=centre)
    rows, labels, sizes = [], [], []
    for start in range(0, len(vectors), CHUNK):
        chunk = np.arange(start, min(start + CHUNK, len(vectors)))
        answers = head.answers(head.probs(vectors[chunk]))
        given = _placed(answers, places)
        there = _is_vote(given, answers, kind)
        rows.append(chunk[there])
        sizes.append(given[there].sum(axis=1))
        labels.append(np.nonzero(given[there])[1])
    bounds = np.concatenate([[0], np.cumsum(_joined(sizes))]).astype(np.int64)
    voted = _joined(rows)
    return Source(name, voted, _joined(labels), bounds, np.ones(len(voted), np.bool_))


def _placed(answers: Bools, places: Mapping[int, int]) -> Bools:
    """Answers (n, c) of the head as labels here (n, k); several of the former may be one here."""
    found = np.zeros((len(answers), max(places.values(), default=-1) + 1), np.bool_)
    for theirs, ours in places.items():
        found[:, ours] |= answers[:, theirs]
    return found


def _is_vote(given: Bools, answers: Bools, kind: Kind) -> Bools:
    """Which of the answers (n, c) of the head, `given` (n, k) in labels that are here, count as
    votes (n,)."""
    counts = given.sum(axis=1)
    if kind in EXCLUSIVE:
        return np.asarray(counts == 1)
    # None at all is an answer; some that are not here say nothing of those that are. With 11
    # emotions and a head of 7, six of them the same: micro-F1 before any label .44, and .43 if they
    # were votes for none.
    return np.asarray((counts > 0) | ~answers.any(axis=1))


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)
