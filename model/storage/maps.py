"""The map of a pool on disk: one safetensors file, whole or absent."""

import json
import logging
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from model.mapping.regions import Region
from model.storage.damage import Damaged, WrittenLater, check_finite, set_aside, whole
from model.storage.disk import sync
from model.types import Floats, Ints

log = logging.getLogger(__name__)

FILE = "map.safetensors"
"""The map's name in a project's folder."""

MOST_POINTS = 100_000
"""Of a larger pool, the map shows so many tasks: it is drawn in minutes, and no more points could
be told apart."""

FORMAT = 1
"""Grows when an older release could not read what this one writes."""

FACTS = "facts"
"""The entry of the file's metadata that holds all but the arrays, as JSON."""


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
    arrays: dict[str, Any] = {
        "keys": np.ascontiguousarray(made.keys, dtype=np.int64),
        "positions": np.ascontiguousarray(made.positions, dtype=np.float32),
    }
    aside = folder / f"{FILE}.unfinished"
    save_file(arrays, aside, metadata={FACTS: json.dumps(facts)})
    sync(aside)
    aside.replace(folder / FILE)
    sync(folder)


def load_map(folder: Path) -> Map | None:
    """The map in a project's folder; None if there is none that this release can read. A damaged
    file is set aside; one that a later release wrote stays where it is."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return _read(path)
    except WrittenLater:
        return None
    except Damaged as error:
        with suppress(FileNotFoundError):  # somebody else was first
            aside = set_aside(path, time.time())
            log.warning("the map was damaged (%s) and is kept as %s", error, aside)
        return None


def _read(path: Path) -> Map:
    with whole(path), safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        facts = _facts_of(metadata.get(FACTS, ""))
        keys, positions = file.get_tensor("keys"), file.get_tensor("positions")
    check_finite(path.name, positions)
    if keys.ndim != 1 or positions.shape != (len(keys), 2):
        raise _not_what_was_written()
    try:
        regions = tuple(_region_of(one) for one in facts["regions"])
        known = facts["encoder"], facts["identity"], facts["created_at"]
    except (KeyError, TypeError):
        raise _not_what_was_written() from None
    return Map(keys, positions, *known, regions)


def _facts_of(text: str) -> dict[str, Any]:
    """Raises Damaged, and WrittenLater: a later release may write all else otherwise."""
    try:
        facts = json.loads(text)
        is_later = facts["format"] > FORMAT
    except (ValueError, KeyError, TypeError):
        raise _not_what_was_written() from None
    if is_later:
        raise WrittenLater(f"it has format {facts['format']}")
    found: dict[str, Any] = facts
    return found


def _region_of(values: dict[str, Any]) -> Region:
    return Region(**{**values, "words": tuple(values["words"])})


def _not_what_was_written() -> Damaged:
    return Damaged(f"{FILE} does not hold what was written")
