"""The work on parts of a dataset, as an engine has it done: here, or by a worker elsewhere that
sees the same folder.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.dataset.record import (
    Record,
    read_reads,
    read_record,
    reads_of,
    rows_of,
    vectors_of,
)
from backend.errors import BackendError
from backend.interface.content import parts_of
from backend.trainer.encoders import loaded
from backend.trainer.item_reading import reading
from backend.trainer.messages import Subject
from model.dataset.engine import EngineFailed
from model.dataset.kept import Kept
from model.dataset.parts import Item, Missing, RowParts, VectorParts
from model.dataset.ranking import Block, Ranking
from model.storage.damage import broken_rows
from model.storage.store import Store
from model.types import Floats

SHOWS_NOTHING = "it shows nothing under the labelling interface of today"
NOT_A_NUMBER = "the encoder computes values that are not numbers for what it shows"
TAKEN_AWAY = "The project has no dataset any more: it was taken away meanwhile"

OTHER_COLUMNS = (
    "The labelling interface shows other columns than when this began: the dataset is encoded again"
)

Group = tuple[int, ...]
"""The numbers of some parts."""


@dataclass(frozen=True)
class EncodedPart:
    """A part whose vectors are written."""

    number: int


class Encoding:
    """Encodes parts of a project's dataset, and writes their vectors."""

    def __init__(self, subject: Subject, encoder: int) -> None:
        rows, self._vectors = files_of(subject.folder, encoder)
        self._folder, self._reads = subject.folder, reads_of(subject.config)
        assert self._vectors is not None
        self._rows, self._config = rows, subject.config
        store = Store(subject.folder)
        self._subject, self._spec = subject, store.encoders()[encoder].spec
        self._encoder = loaded(self._spec, store.tuned_folder(encoder))

    def __call__(self, number: int) -> Iterator[EncodedPart | None]:
        """The part when its vectors are written."""
        items = self._items(number)
        parts = [parts_of(item.data, self._config) for item in items]
        shown = {place: one for place, one in enumerate(parts) if one is not None}
        found = np.full((len(items), self._encoder.dimension), np.nan, np.float16)
        with reading(self._subject, self._spec, self._encoder, number, shown) as read:
            for examples in read.examples():
                places = list(examples)
                if places:
                    with read.encoding(places):
                        found[places] = self._encoder.encode(list(examples.values()))
                yield None
        reasons: list[str | None] = [None] * len(items)
        for place in broken_rows(found).tolist():
            known = read.reasons.get(place, NOT_A_NUMBER)
            reasons[place] = known if place in shown else SHOWS_NOTHING
        self._write(number, items, found, reasons)
        yield EncodedPart(number)

    def _items(self, number: int) -> list[Item]:
        try:
            return self._rows.items(number)
        except Missing as error:
            raise BackendError(TAKEN_AWAY) from error

    def _write(
        self, number: int, items: list[Item], found: Floats, reasons: list[str | None]
    ) -> None:
        """Unless the dataset was taken away meanwhile: these would count as another one's."""
        if self._items(number) != items:
            raise BackendError(TAKEN_AWAY)
        if read_reads(self._folder) != self._reads:
            raise BackendError(OTHER_COLUMNS)
        assert self._vectors is not None
        self._vectors.write(number, found, reasons)


class Seeing:
    """Ranks groups of parts by what `ranking` knows."""

    def __init__(self, folder: Path, encoder: int | None, ranking: Ranking) -> None:
        self._rows, self._vectors = files_of(folder, encoder)
        self._ranking = ranking
        self._encoded = set() if self._vectors is None else set(self._vectors.numbers())

    def __call__(self, group: Group) -> Iterator[tuple[Group, Kept] | None]:
        """The group, and what is to be kept of it."""
        ranking = self._ranking.afresh()
        for number in group:
            is_encoded = self._vectors is not None and number in self._encoded
            vectors = self._vectors.read(number) if self._vectors and is_encoded else None
            ranking.see(Block(number, self._rows.tickets(number), vectors))
            yield None
        yield group, ranking.kept


def record_of(subject: Subject) -> Record:
    """The project's dataset. Raises BackendError where it was taken away."""
    record = read_record(subject.folder)
    if record is None:
        raise BackendError(TAKEN_AWAY)
    return record


def files_of(folder: Path, encoder: int | None) -> tuple[RowParts, VectorParts | None]:
    """The parts of a project's dataset, and their vectors. Raises EngineFailed where the folder is
    not seen: that it is there was checked by the one who asks for the work."""
    if read_record(folder) is None:
        raise EngineFailed(
            f"A worker on {socket.gethostname()} does not see {folder}. Every node of the Ray "
            "cluster needs MODEL_DIR under the same path, on a disk that all of them share"
        )
    if encoder is None:
        return RowParts(rows_of(folder)), None
    dimension = Store(folder).encoders()[encoder].dimension
    return RowParts(rows_of(folder)), VectorParts(vectors_of(folder, encoder), dimension)
