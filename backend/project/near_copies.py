"""Near copies in a project: when the trainer looks for them, and what is known of them."""

import math
import time

import numpy as np

from backend.interface.questions import LabelConfig
from backend.mirror.copied import Copied, Grouping, copied_of
from backend.mirror.labelling import Labelling
from backend.mirror.pool import SHOWN, Pool
from backend.project.training import RETRY_SECONDS, Training
from backend.trainer.messages import FindCopies
from model.storage.copies import FILE, NO_COPIES, load_copies, mark_of
from model.storage.store import HERE, Store
from model.types import MARKED, Ints, is_of_things

REST = 20.0
"""After looking for copies, so many times as long passes before that is done again: it takes a
twentieth of the trainer's time at most."""


class NearCopies:
    """Used by the loop's thread alone, like `Training`, which it goes through."""

    def __init__(self, store: Store, pool: Pool, training: Training) -> None:
        self._store, self._pool, self._training = store, pool, training
        self._failed_at = -math.inf
        """When the job failed last (time.monotonic)."""
        self._stamp: tuple[int, int] | None = None
        """When the file was written (Unix time in nanoseconds), and its size, when it was read."""
        self._copies = NO_COPIES
        self._has_looked = False
        self._grouping: Grouping | None = None
        self._compared: object = None
        """What there was to compare at the last look, by numbers."""

    def request(self, encoder: int, config: LabelConfig, keys: Ints) -> None:
        """Have copies looked for, if there is something that was not compared yet. keys (n,): of
        the tasks. Spans and boxes are left out: in a copy, what people mark is elsewhere."""
        is_resting = time.monotonic() < self._failed_at + RETRY_SECONDS
        if config.kind in MARKED or is_resting or not self._is_due(encoder, keys):
            return
        request = FindCopies(self._training.subject(), encoder)
        self._training.submit("copies", request, encoder=encoder, failed=self._note_failure)

    def of(self, labelling: Labelling, config: LabelConfig) -> Copied:
        """The copies among these tasks, and what people said of them."""
        if config.kind in MARKED:
            return Copied()
        if self._look():
            # The same labels now come to another order.
            self._pool.learn_again()
        before = self._grouping
        if before is None or before.keys is not labelling.keys or before.copies is not self._copies:
            self._grouping = Grouping(labelling.ids, labelling.keys, self._copies)
        assert self._grouping is not None
        return copied_of(self._grouping, labelling.answers)

    def _is_due(self, encoder: int, keys: Ints) -> bool:
        meta = self._store.encoders().get(encoder)
        is_apart = meta is not None and meta.source != HERE and not is_of_things(meta.layout)
        is_comparable = is_apart and self._store.is_ready(encoder)
        count = self._store.vectors(encoder).count() if is_comparable else 0
        now = len(keys), self._pool.fact(SHOWN), encoder, count, self._stamp
        if now == self._compared:
            return False
        known, written = self._copies, 0 if self._stamp is None else self._stamp[0]
        if time.time() < written / 1e9 + REST * known.seconds:
            return False
        contents = np.unique(keys)
        encoded = int((self._store.vectors(encoder).rows(contents) >= 0).sum()) if count else 0
        is_due = mark_of(contents) != known.mark or encoded > known.encoded
        self._compared = None if is_due else now
        return is_due

    def _look(self) -> bool:
        """Read the file, if it has changed. Returns whether the copies are others now."""
        path = self._store.folder / FILE
        try:
            found = path.stat()
        except FileNotFoundError:
            stamp = None
        else:
            stamp = found.st_mtime_ns, found.st_size
        if stamp == self._stamp:
            self._has_looked = True
            return False
        before, self._stamp = self._copies, stamp
        self._copies = load_copies(self._store.folder) or NO_COPIES
        is_first, self._has_looked = not self._has_looked, True
        return not is_first and not self._copies.are_those_of(before)

    def _note_failure(self) -> None:
        self._failed_at = time.monotonic()
