"""The head of an earlier project as a source of weak labels: what it says of this one's tasks."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

import numpy as np

from backend.interface.called import folded, former_names, stored_names
from backend.interface.questions import LabelConfig
from backend.project.beginning import Beginning
from model.heads.head import Head
from model.heads.sources import Source
from model.snapshot import pool_centre
from model.storage.earlier import encoder_of
from model.storage.store import Store
from model.transferred import votes_of
from model.types import MARKED, Ints


class EarlierVotes:
    """Used by the loop's thread alone. The last votes are kept: mostly the same tasks are asked
    about at each round."""

    def __init__(self, store: Store, beginning: Beginning) -> None:
        self._store, self._beginning = store, beginning
        self._known: tuple[object, tuple[Source, ...]] = (None, ())

    def __call__(self, keys: Ints, config: LabelConfig) -> tuple[Source, ...]:
        """What the earlier head says of the tasks with these content keys (n,), by their rows: of
        those that have vectors by the encoder that it belongs to. Empty where there is no such head
        or none of its labels is one of these."""
        earlier = self._beginning.earlier()
        if earlier is None or earlier.head is None or config.kind in MARKED:
            return ()
        encoder, places = encoder_of(self._store, earlier), places_of(earlier.head, config)
        if encoder is None or not places:
            return ()
        vectors = self._store.vectors(encoder)
        if vectors.dimension != len(earlier.head.weights):
            return ()  # another network has taken the place of the one that the settings name
        rows = vectors.rows(keys)
        asked = (encoder, config.kind, tuple(places.items()), rows.tobytes())
        if self._known[0] != asked:
            source = self._votes(earlier.origin, earlier.head, encoder, rows, places, config)
            self._known = (asked, (source,))
        return self._known[1]

    def _votes(
        self,
        origin: str,
        head: Head,
        encoder: int,
        rows: Ints,
        places: dict[int, int],
        config: LabelConfig,
    ) -> Source:
        there = np.flatnonzero(rows >= 0)
        vectors = self._store.vectors(encoder).view(rows[there])
        found = votes_of(origin, head, vectors, pool_centre(vectors, 0), places, config.kind)
        return replace(found, rows=there[found.rows])


def places_of(head: Head, config: LabelConfig) -> dict[int, int]:
    """Columns of an earlier head's labels -> columns of the labels here that have the same name:
    exactly or by a former name, else but for case and spaces around it. Where several questions are
    asked, here or there, also the answer's own name, unless it is an answer to two of them."""
    exact = dict(_unambiguous(_names_here(config)))
    alike = dict(_unambiguous((folded(name), place) for name, place in exact.items()))
    found = {}
    for column, label in enumerate(head.labels):
        names = [label, *([label.partition(": ")[2]] if head.groups else [])]
        places = [exact.get(name) for name in names]
        places += [alike.get(folded(name)) for name in names]
        known = [place for place in places if place is not None]
        if known:
            found[column] = known[0]
    return found


def _names_here(config: LabelConfig) -> Iterator[tuple[str, int]]:
    """What the labels may be called, and their columns."""
    for question in config.questions:
        for name, label in chain(stored_names(question), former_names(question)):
            yield name, config.places[label]


def _unambiguous(names: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Without names that mean several columns."""
    means: dict[str, set[int]] = {}
    for name, place in names:
        means.setdefault(name, set()).add(place)
    return ((name, places.pop()) for name, places in means.items() if len(places) == 1)
