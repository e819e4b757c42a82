"""All tasks with annotations are read again after each start and once a day.

A backup of Label Studio that is put back may hold other labels in the same number: neither
`updated_at` nor the counts show them. A part is read in each turn, so that no turn takes long: a
thousand tasks take Label Studio three seconds.
"""

import logging

from backend.interface.questions import LabelConfig
from backend.mirror.pool import Pool
from backend.studio.project import StudioProject

log = logging.getLogger(__name__)

PLACE = "rereading"
"""The fact that holds after which id this goes on; None when it is done."""

BEGAN = "reread"
"""The fact that holds when it began last (Unix time)."""

EVERY_SECONDS = 24 * 3600.0

AT_ONCE = 200
"""Tasks that are read in one turn: some 0.6 s."""


def begin(pool: Pool, now: float) -> None:
    """All is to be read again; `now`: Unix time."""
    pool.remember(PLACE, 0)
    pool.remember(BEGAN, now)


def skip(pool: Pool, now: float) -> None:
    """All was read just now; `now`: Unix time."""
    pool.remember(PLACE, None)
    pool.remember(BEGAN, now)


def is_due(pool: Pool, now: float) -> bool:
    """Whether a day has passed since it began last."""
    began: float | None = pool.fact(BEGAN)
    return began is None or now >= began + EVERY_SECONDS


def is_going_on(pool: Pool) -> bool:
    return pool.fact(PLACE) is not None


def read_on(pool: Pool, studio: StudioProject, config: LabelConfig) -> int:
    """Read the next AT_ONCE tasks with annotations again, after a look at all that changed. Returns
    the number of tasks that changed."""
    after: int = pool.fact(PLACE)
    tasks, up_to = studio.annotated(after, AT_ONCE)
    changed = pool.update(tasks, config)
    bare = {task for task in pool.annotated().tolist() if after < task <= (up_to or task)}
    bare -= {task["id"] for task in tasks}
    changed += _read(pool, studio, config, bare)
    pool.remember(PLACE, up_to)
    if changed:
        log.info("project %d: %d tasks had other annotations", studio.number, changed)
    return changed


def _read(pool: Pool, studio: StudioProject, config: LabelConfig, ids: set[int]) -> int:
    """The tasks that have no annotations in Label Studio, but in the mirror. Read themselves: one
    may have got its first annotation just now."""
    changed = 0
    for page, _ in studio.task_pages(min(ids) - 1) if ids else ():
        changed += pool.update([task for task in page if task["id"] in ids], config)
        if page[-1]["id"] >= max(ids):
            break
    return changed
