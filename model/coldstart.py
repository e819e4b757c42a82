"""What to ask before a model can say anything: the typical example of each region of the pool."""

import numpy as np

from model.selection import cluster_centres, nearest_centre, squared_distances
from model.types import Bools, Floats, Ints

CLUSTERS = 20


def typical_first(vectors: Floats, labelled: Bools, k: int, rng: np.random.Generator) -> Ints:
    """Rows of the unit-length vectors (n, d) that are not `labelled` (n,), ask-first order.

    k-means cuts the pool into CLUSTERS regions; the example next to each centre comes first, large
    regions before small ones and regions that hold a labelled example after those that do not,
    then the second nearest of each region, and so on (TypiClust, Hacohen et al. 2022,
    arXiv:2202.02794, with the distance to the centre as typicality). Labelled rows take part in the
    clustering, so that the regions stay the same while labels come. At most k rows.
    """
    centres = cluster_centres(vectors, CLUSTERS, rng)
    assigned = nearest_centre(vectors, centres)
    distance = squared_distances(vectors, centres)[np.arange(len(vectors)), assigned]
    size = np.bincount(assigned, minlength=len(centres))
    # A label already in a region counts as a turn taken there.
    covered = np.bincount(assigned[labelled], minlength=len(centres))

    asked = np.flatnonzero(~labelled)
    by_region = asked[np.lexsort((distance[asked], assigned[asked]))]
    of_region = np.bincount(assigned[asked], minlength=len(centres))
    starts = np.cumsum(of_region) - of_region
    turn = np.empty(len(vectors), dtype=np.int64)
    turn[by_region] = np.arange(len(asked)) - np.repeat(starts, of_region)
    order = np.lexsort((-size[assigned[asked]], turn[asked] + covered[assigned[asked]]))
    return asked[order[:k]].astype(np.int64)
