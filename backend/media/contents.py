"""The readable contents of a pool's tasks; the pool records what cannot be read."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from backend.interface.content import Parts, key_of
from backend.interface.questions import LabelConfig
from backend.media.reading import CannotRead, Reader
from backend.media.record import ReadingRecord
from backend.mirror.pool import Pool
from model.encoders.finetune import length_of
from model.encoders.joint import Example
from model.types import Ints

log = logging.getLogger(__name__)

READ_PAUSES = (1.0, 5.0, 20.0)
"""Seconds before a file that was read once and is no longer cached is requested again: a deep round
must not fail because a server was busy for a moment."""
SET_ASIDE = (
    "reading this task ended the trainer process twice, or used up its memory: replace what it "
    "shows with something smaller, or delete the task"
)
RETRY_SECONDS = 600.0
"""Media whose server failed temporarily are fetched again after this long."""


class TaskContents(Sequence[Example]):
    """The contents of tasks, read on access: thousands of pictures would fill the memory.

    ids: the tasks that can be read; lengths (n,): how long their texts are, see
    model.encoders.finetune.length_of.
    """

    def __init__(self, pool: Pool, reader: Reader, ids: Ints, config: LabelConfig) -> None:
        found = [
            (task, parts, length_of(example))
            for task, parts, example in readable(pool, reader, ids, config)
        ]
        self.ids = [task for task, _, _ in found]
        self.lengths = np.array([length for _, _, length in found], dtype=np.int64)
        self._reader, self._parts = reader, [parts for _, parts, _ in found]

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, row: int) -> Example: ...
    @overload
    def __getitem__(self, row: slice) -> list[Example]: ...
    def __getitem__(self, row: int | slice) -> Example | list[Example]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        for pause in READ_PAUSES:
            try:
                return self._reader.read(self.ids[row], self._parts[row])
            except CannotRead as error:
                if not error.temporary:
                    raise
                time.sleep(pause)
        return self._reader.read(self.ids[row], self._parts[row])


def opened_record(
    pool: Pool, config: LabelConfig, folder: Path, on_read: Callable[[], None]
) -> ReadingRecord:
    """The project's record of what is read; the pool records as unreadable what has ended the
    process too often."""
    record = ReadingRecord(folder, on_read)
    deadly = record.deadly()
    for task, parts in zip(deadly, pool.parts(deadly, config), strict=True):
        if any(parts):
            log.warning("task %d: %s", task, SET_ASIDE)
            pool.add_unreadable(key_of(parts), task, SET_ASIDE, None)
    record.forget(deadly)
    return record


def without_unreadable(pool: Pool, ids: Ints, config: LabelConfig, seed: int) -> Ints:
    """Those of the labelled tasks that are not known to be unreadable: deep rounds and reviews
    leave to encoding what is to be tried again."""
    known: Ints = ids[np.isin(ids, pool.keys(config, seed)[0])]
    return known


def readable(
    pool: Pool, reader: Reader, ids: Ints, config: LabelConfig
) -> Iterator[tuple[int, Parts, Example]]:
    """The tasks that can be read, and what they show; the pool records the others."""
    for task, parts in zip(ids.tolist(), pool.parts(ids, config), strict=True):
        if not any(parts):
            continue  # deleted in the meantime
        try:
            yield task, parts, reader.read(task, parts)
        except CannotRead as error:
            log.info("task %d: %s", task, error)
            again_at = time.time() + RETRY_SECONDS if error.temporary else None
            pool.add_unreadable(key_of(parts), task, str(error), again_at)
