"""The predictions that other programs leave in Label Studio are read, and read again when there are
others: Label Studio sends no webhook for them.

How many predictions of each model version there are, and when the last one was made, shows what
comes and goes. A prediction that somebody changes in its place shows in neither, so all of them are
also read again once a day. A page of tasks is read in each turn, so that no turn takes long.
"""

import logging
from datetime import timedelta

from backend.mirror.pool import Pool
from backend.mirror.predictions import predictions_in
from backend.mirror.weak_labels import foreign, is_own
from backend.studio.project import StudioProject

log = logging.getLogger(__name__)

PLACE = "reading predictions"
"""The fact that holds after which task this goes on; None when it is done."""

SEEN = "predictions seen"
"""The fact that holds the versions of other programs, with their counts, as they were read last."""

EVERY = timedelta(days=1)

READ_AT = "predictions read"
"""The fact that holds when they were read last (Unix time)."""


def look(pool: Pool, studio: StudioProject, now: float) -> None:
    """Have the predictions of other programs read if there are others than before, or for a day
    none were read. `now`: Unix time."""
    there = foreign(studio.versions_in_detail(), pool.published())
    is_old = bool(there) and now >= (pool.fact(READ_AT) or 0.0) + EVERY.total_seconds()
    if is_old or there != (pool.fact(SEEN) or {}):
        pool.remember(SEEN, there)
        pool.remember(READ_AT, now)
        pool.remember(PLACE, 0)


def forget(pool: Pool) -> None:
    """They are not to be used (any more)."""
    if pool.fact(SEEN):
        pool.remember(SEEN, {})
        pool.remember(PLACE, None)
        pool.replace_predictions(0, None, [])
        pool.predictions_are_read()


def is_going_on(pool: Pool) -> bool:
    return pool.fact(PLACE) is not None


def read_on(pool: Pool, studio: StudioProject) -> None:
    """Read the next page of tasks that have any."""
    after, sources = pool.fact(PLACE), pool.fact(SEEN)
    tasks, left = next(studio.predicted(sources, after), ([], 0)) if sources else ([], 0)
    found = [one for task in tasks for one in predictions_in(task, sources)]
    up_to = tasks[-1]["id"] if left else None
    pool.replace_predictions(after, up_to, found)
    pool.remember(PLACE, up_to)
    if up_to is None:
        pool.predictions_are_read()
        names = ", ".join(sorted(sources)) or "none"
        log.info("project %d: predictions of others were read: %s", studio.number, names)


def named_like_ours(versions: dict[str, object], published: dict[str, float]) -> list[str]:
    """The versions that are not ours, but are named like ours and therefore not used."""
    return sorted(name for name in versions if name not in published and is_own(name))
