"""The map of a pool on disk."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.mapping.regions import Region
from model.storage.arrays_file import Arrays, load_arrays, save_arrays
from model.storage.damage import Damaged, check_finite
from model.types import Floats, Ints

FILE = "map.safetensors"
"""The map's name in a project's folder."""

MOST_POINTS = 100_000
"""Of a larger pool, the map shows so many tasks: it is drawn in minutes, and no more points could
be told apart."""

FORMAT = 1


@dataclass(frozen=True)
class Map:
    """Points of the plane for what tasks show: keys (n,): content keys, each once; positions
    (n, 2), float32; encoder, identity: the number and the identity of the encoder by whose vectors
    they were placed; created_at: Unix time; regions: the largest first."""

    keys: Ints
    positions: Floats
    encoder: int
    identity: str
    created_at: float
    regions: tuple[Region, ...]

    def rows(self, keys: Ints) -> Ints:
        """For each of these content keys its row, or -1 where it has no place."""
        if len(self.keys) == 0:
            return np.full(len(keys), -1, dtype=np.int64)
        order = np.argsort(self.keys, kind="stable")
        found = order[np.searchsorted(self.keys, keys, sorter=order).clip(max=len(order) - 1)]
        rows: Ints = np.where(self.keys[found] == keys, found, -1)
        return rows


def save_map(folder: Path, made: Map) -> None:
    """Write it into a project's folder, in place of the one before."""
    facts = {
        "format": FORMAT,
        "encoder": made.encoder,
        "identity": made.identity,
        "created_at": made.created_at,
        "regions": [asdict(region) for region in made.regions],
    }
    arrays: Arrays = {
        "keys": made.keys.astype(np.int64),
        "positions": made.positions.astype(np.float32),
    }
    save_arrays(folder / FILE, arrays, facts)


def load_map(folder: Path) -> Map | None:
    """The map in a project's folder; None if there is none that this release can read. A damaged
    file is set aside; one that a later release wrote stays where it is."""
    return load_arrays(folder / FILE, FORMAT, _made_of)


def _made_of(arrays: Arrays, facts: dict[str, Any]) -> Map:
    keys, positions = arrays["keys"], arrays["positions"]
    check_finite(FILE, positions)
    if keys.ndim != 1 or positions.shape != (len(keys), 2):
        raise Damaged(f"{FILE} does not hold what was written")
    regions = tuple(_region_of(one) for one in facts["regions"])
    known = facts["encoder"], facts["identity"], facts["created_at"]
    return Map(keys, positions, *known, regions)


def _region_of(values: dict[str, Any]) -> Region:
    return Region(**{**values, "words": tuple(values["words"])})
