"""What to ask before a model can say anything: an example of each region of the pool."""

import numpy as np

from model.choosing.selection import cluster_centres, nearest_centre
from model.types import Bools, Floats, Ints

REGIONS = 30


def one_per_region(vectors: Floats, labelled: Bools, k: int, rng: np.random.Generator) -> Ints:
    """Rows of the unit-length vectors (n, d) that are not `labelled` (n,), ask-first order.

    k-means cuts the pool into REGIONS regions; one random example of each comes first, large
    regions before small ones and regions that hold a labelled example after those that do not,
    then a second one of each region, and so on. Labelled rows take part in the clustering, so that
    the regions stay the same while labels come. At most k rows.

    TypiClust (Hacohen et al. 2022, arXiv:2202.02794) asks for the most typical example of each
    region. An encoder that was tuned on 25 such labels had accuracy .63 on TREC-6 and .60 on AG
    News, with random examples of the regions .76 and .72, with examples drawn from the whole pool
    .72 and .66 (means of three seeds).
    """
    assigned = nearest_centre(vectors, cluster_centres(vectors, REGIONS, rng))
    size = np.bincount(assigned, minlength=REGIONS)
    # A label already in a region counts as a turn taken there.
    covered = np.bincount(assigned[labelled], minlength=REGIONS)

    asked = np.flatnonzero(~labelled)
    lots = rng.random(len(vectors))  # also for labelled rows: those of the others then stay
    by_region = asked[np.lexsort((lots[asked], assigned[asked]))]
    of_region = np.bincount(assigned[asked], minlength=REGIONS)
    starts = np.cumsum(of_region) - of_region
    turn = np.empty(len(vectors), dtype=np.int64)
    turn[by_region] = np.arange(len(asked)) - np.repeat(starts, of_region)
    order = np.lexsort((-size[assigned[asked]], turn[asked] + covered[assigned[asked]]))
    return asked[order[:k]].astype(np.int64)
