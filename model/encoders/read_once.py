"""What networks that stay as they are say of clips and sounds, kept: each is read once, however
many encoders come."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from model.encoders.encoder import FrozenEncoder
from model.storage.states import StateStore
from model.types import Floats, Medium

UNWRITTEN = 64
"""So many are written at once; a crash costs at most these, and they are then read again."""


class ReadOnce:
    """Used by one thread. Call `write` when done."""

    def __init__(
        self,
        networks: Mapping[Medium, FrozenEncoder],
        store_of: Callable[[Medium, int], StateStore],
    ) -> None:
        """`store_of`: medium and dimension of its states -> where they are kept."""
        self._networks = networks
        self._stores = {
            medium: store_of(medium, network.state_dimension)
            for medium, network in networks.items()
        }
        self._unwritten: dict[Medium, dict[int, Floats]] = {medium: {} for medium in networks}

    def states(self, medium: Medium, key: int, load: Callable[[], Any]) -> Floats:
        """The states (f, d), float16, of the medium of this key, which `load` gives if they are not
        known yet."""
        store, fresh = self._stores[medium], self._unwritten[medium]
        if key in fresh:
            return fresh[key]
        rows = store.rows(np.array([key], dtype=np.int64))
        if rows[0] >= 0:
            return store.take(rows)[0]
        fresh[key] = states = self._networks[medium].read(load())
        if len(fresh) >= UNWRITTEN:
            self.write()
        return states

    def write(self) -> None:
        """Keep what was read since the last time."""
        for medium, fresh in self._unwritten.items():
            if fresh:
                keys = np.array(list(fresh), dtype=np.int64)
                self._stores[medium].append(keys, list(fresh.values()))
                fresh.clear()
