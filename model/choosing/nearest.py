"""What of a pool is nearest to a query: a search by words, or by what tasks show."""

import numpy as np

from model.heads.head import CHUNK, centred
from model.snapshot import Vectors
from model.types import Floats, Ints


def nearest(vectors: Vectors, query: Floats, centre: Floats, most: int) -> tuple[Ints, Floats]:
    """The rows (k,), k <= `most`, whose vectors point most nearly as the query does, the nearest
    first, and their cosines (k,) in [-1, 1].

    vectors (n, d) and the query (d,) count from the centre (d,): encoders put everything into a
    narrow cone, in which all cosines are high. Reads a chunk at a time, so a pool of millions is
    never in memory; exact, because a product with a million vectors takes a second.
    """
    if len(vectors) == 0 or most <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    (wanted,) = centred(query[None], centre)
    cosines = np.concatenate(
        [
            centred(vectors[np.arange(start, min(start + CHUNK, len(vectors)))], centre) @ wanted
            for start in range(0, len(vectors), CHUNK)
        ]
    )
    most = min(most, len(cosines))
    best = np.argpartition(-cosines, most - 1)[:most]
    best = best[np.lexsort((best, -cosines[best]))]
    return best, cosines[best].clip(-1.0, 1.0)


def middle(vectors: Floats, centre: Floats) -> Floats:
    """A query (d,) for what is like all of these vectors (n, d), n >= 1: their mean direction from
    the centre, as a vector that `nearest` centres again."""
    mean: Floats = centre + centred(vectors, centre).mean(axis=0)
    return mean
