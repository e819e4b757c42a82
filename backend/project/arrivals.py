"""Items that come to a project's dataset after it was added: they are added to it and, where people
have time for so many labels a day, kept for them or passed by.
"""

import math
import time
from collections.abc import Mapping

from backend.dataset.arriving import sent_files
from backend.dataset.record import Record, folder_of, vectors_of
from backend.dataset.shortlist import ShortlistItem
from backend.dataset.stream import FILE, Stream, read_stream
from backend.project.context import ProjectContext
from backend.project.item_training import ItemTraining
from backend.project.status import Arriving
from model.dataset.sizes import part_numbers

LOOK_SECONDS = 10.0
"""Between two looks at what has come: each makes a part of the dataset."""

ITEMS_A_SECOND = 200_000
"""The larger a dataset, the less often it is added to: 20 million items each 100 seconds."""


class Arrivals:
    """Used by the loop's thread alone."""

    def __init__(self, context: ProjectContext, training: ItemTraining) -> None:
        self._folder, self._training = context.folder, training
        self._looked_at = -math.inf
        """When what has come was asked for last (time.monotonic)."""
        self._stream: Stream | None = None
        self._read_at = 0
        """When the stream that is known was written (ns)."""

    def take_in(self, record: Record | None) -> None:
        """Have added what was sent, and what has come to a watched address."""
        is_watched = record is not None and record.watched
        # The tickets of all items are written again each time.
        pause = max(LOOK_SECONDS, 0.0 if record is None else record.items / ITEMS_A_SECOND)
        is_due = time.monotonic() >= self._looked_at + pause
        if is_due and (is_watched or sent_files(self._folder)):
            self._looked_at = time.monotonic()
            self._training.request_arrivals()

    def select(self, record: Record, versions: Mapping[int, str]) -> None:
        """Have kept or passed by what has come, as soon as it is encoded. versions: the newest of
        each encoder."""
        encoder, stream = self._training.encoder_of_items(), self._read()
        if self._training.ranks_items and encoder is None:
            return
        version = "" if encoder is None else versions.get(encoder, "")
        if stream is None:
            self._training.request_selection(encoder, version)
            return
        waiting = [number for number in record.numbers if number >= stream.judged]
        encoded = None if encoder is None else part_numbers(vectors_of(self._folder, encoder))
        if waiting and (encoded is None or waiting[0] in encoded):
            self._training.request_selection(encoder, version)

    def kept(self) -> tuple[ShortlistItem, ...]:
        """What is kept for people, the oldest first; some of it may be tasks by now."""
        stream = self._read()
        return () if stream is None else stream.kept

    def status(self, record: Record, waiting: int) -> Arriving | None:
        """None where the model chooses from all items alike. waiting: how many of those that are
        kept are no tasks yet."""
        stream = self._read()
        if not record.labels_a_day:
            return None
        if stream is None:
            return Arriving(record.labels_a_day)
        return Arriving(record.labels_a_day, *stream.in_a_day(time.time()), waiting)

    def _read(self) -> Stream | None:
        path = folder_of(self._folder) / FILE
        written = path.stat().st_mtime_ns if path.exists() else 0
        if written != self._read_at:
            self._stream = read_stream(self._folder) if written else None
            self._read_at = written
        return self._stream
