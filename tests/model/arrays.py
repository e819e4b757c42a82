"""Whole pools as arrays."""

import numpy as np

from model.snapshot import Snapshot
from model.types import Floats


def everything(snapshot: Snapshot) -> Floats:
    """The vectors of the whole pool."""
    return snapshot.vectors[np.arange(len(snapshot.vectors))]
