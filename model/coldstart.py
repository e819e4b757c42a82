"""What to ask before a model can say anything: the typical example of each region of the pool."""

import numpy as np

from model.selection import cluster_centres, nearest_centre, squared_distances
from model.types import Floats, Ints

CLUSTERS = 20


def typical_first(vectors: Floats, labelled: Floats, k: int, rng: np.random.Generator) -> Ints:
    """Rows (min(k, n),) of the centred vectors (n, d), ask-first order.

    k-means cuts the pool into CLUSTERS regions; the example next to each centre comes first, large
    regions before small ones and regions that hold one of the `labelled` (m, d) vectors last, then
    the second nearest of each region, and so on (TypiClust, Hacohen et al. 2022,
    arXiv:2202.02794, with the distance to the centre as typicality).
    """
    centres = cluster_centres(vectors, CLUSTERS, rng)
    assigned = nearest_centre(vectors, centres)
    size = np.bincount(assigned, minlength=len(centres))
    covered = np.zeros(len(centres), dtype=np.int64)
    if len(labelled):
        covered = np.bincount(nearest_centre(labelled, centres), minlength=len(centres))
    distance = squared_distances(vectors, centres)[np.arange(len(vectors)), assigned]

    by_region = np.lexsort((distance, assigned))
    starts = np.cumsum(size) - size
    turn = np.empty(len(vectors), dtype=np.int64)
    turn[by_region] = np.arange(len(vectors)) - np.repeat(starts, size)
    # A label already in the region counts as a turn taken there.
    order = np.lexsort((-size[assigned], turn + covered[assigned]))
    return order[:k].astype(np.int64)
