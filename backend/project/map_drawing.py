"""When the map of the pool is to be drawn, which the trainer does."""

import math
import time

import numpy as np

from backend.interface.questions import LabelConfig
from backend.mirror.pool import Pool
from backend.project.context import ProjectContext
from backend.project.training import RETRY_SECONDS, Training
from backend.trainer.messages import Draw
from model.storage.maps import FILE, MOST_POINTS, load_map
from model.storage.store import Store
from model.types import MARKED, Ints

LOOKED_AT = "map_looked_at"
"""The fact of the mirror that says when somebody looked at the map last (Unix time)."""

LOOKED_SECONDS = 24 * 3600.0
"""So long after somebody looked at it the map is kept in step with the pool."""

NEW_TASKS, NEW_SHARE = 20, 0.05
"""A map is drawn again for at least so many points that it lacks, and this share of all that it
could have; and when it has none."""


class MapDrawing:
    """Used by the loop's thread alone, like `Training`, which it goes through."""

    def __init__(
        self, context: ProjectContext, store: Store, pool: Pool, training: Training
    ) -> None:
        self._seed = context.settings.seed
        self._store, self._pool, self._training = store, pool, training
        self._failed_at = -math.inf
        """When the job failed last (time.monotonic)."""
        self._stamp: tuple[int, int] | None = None
        """When the map's file was written, and its size, when it was read."""
        self._drawn: tuple[str, Ints] | None = None
        """The identity of the encoder by which the map was drawn, and the keys on it; None while
        there is no map."""

    def request(self, encoder: int, config: LabelConfig) -> None:
        """Have the map drawn by this encoder, if that is due and somebody has looked at it lately.
        Texts with spans and pictures with boxes have many vectors, and no place on a map."""
        looked_at = self._pool.fact(LOOKED_AT)
        if looked_at is None or time.time() > looked_at + LOOKED_SECONDS:
            return
        if config.kind in MARKED or time.monotonic() < self._failed_at + RETRY_SECONDS:
            return
        _, keys = self._pool.keys(config, self._seed)
        # While an encoder works through the pool, a map would be drawn again and again.
        if self._store.is_ready(encoder) and self._is_due(encoder, keys):
            request = Draw(self._training.subject(), encoder)
            self._training.submit("draw", request, encoder=encoder, failed=self._note_failure)

    def _is_due(self, encoder: int, keys: Ints) -> bool:
        """Whether the map there is, if any, shows too little of the tasks with these keys (n,)."""
        known = keys[self._store.vectors(encoder).rows(keys) >= 0]
        drawn = self._look()
        if drawn is None or len(known) == 0:
            return len(known) > 0
        identity, there = drawn
        if identity != self._store.encoders()[encoder].identity:
            return True
        contents = np.unique(known)  # each is one point
        shown = int(np.isin(contents, there).sum())
        most = min(len(contents), MOST_POINTS)
        return shown == 0 or most - shown >= max(NEW_TASKS, NEW_SHARE * most)

    def _look(self) -> tuple[str, Ints] | None:
        """The map as it is now, which is read only when its file has changed."""
        path = self._store.folder / FILE
        try:
            found = path.stat()
        except FileNotFoundError:
            self._stamp = self._drawn = None
            return None
        stamp = found.st_mtime_ns, found.st_size
        if stamp != self._stamp:
            drawn = load_map(self._store.folder)
            self._drawn = None if drawn is None else (drawn.identity, drawn.keys)
            self._stamp = stamp
        return self._drawn

    def _note_failure(self) -> None:
        self._failed_at = time.monotonic()
