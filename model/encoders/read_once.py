"""Clips' and sounds' states by frozen networks: each is read once and kept for all encoders."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from model.encoders.encoder import FrozenEncoder
from model.storage.states import StateStore
from model.types import Floats, Medium

UNWRITTEN = 64
"""This many are written at once; after a crash at most these must be read again."""


class ReadOnce:
    """Used by one thread. Call `write` when done."""

    def __init__(
        self,
        networks: Mapping[Medium, FrozenEncoder],
        store_of: Callable[[Medium, int], StateStore] | None,
    ) -> None:
        """`store_of`: medium and dimension of its states -> where they are kept; None: they are
        read each time."""
        self._networks = networks
        self._stores = {
            medium: store_of(medium, network.state_dimension)
            for medium, network in networks.items()
            if store_of is not None
        }
        self._unwritten: dict[Medium, dict[int, Floats]] = {medium: {} for medium in networks}

    def states(self, medium: Medium, key: int, load: Callable[[], Any]) -> Floats:
        """The states (f, d), float16, of the clip or sound with this key; `load` returns it if it
        has not been read yet."""
        store, fresh = self._stores.get(medium), self._unwritten[medium]
        if store is None:
            return self._networks[medium].read(load())
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
        """Store what was read since the last call."""
        for medium, fresh in self._unwritten.items():
            if fresh:
                keys = np.array(list(fresh), dtype=np.int64)
                self._stores[medium].append(keys, list(fresh.values()))
                fresh.clear()
