"""Bring the mirror in step with Label Studio: by what changed, or by everything when in doubt."""

import logging
from datetime import timedelta

from backend.interface.questions import LabelConfig
from backend.mirror.pool import UNREAD, Pool
from backend.studio.project import StudioProject
from backend.types import Json

log = logging.getLogger(__name__)

OVERLAP_SECONDS = 10
"""Each look goes back a little: what was being saved during the last one must not be missed."""

CURSOR = "cursor"
"""The fact that holds the time since which changes are asked for."""

READING = "reading"
"""The fact that holds after which id the first look at all tasks goes on; None when it is done."""

MOST_AT_ONCE = 50_000
"""Tasks that are read in one turn at most, about a minute of Label Studio's time."""

ASKED_AGAIN = 10
"""Tasks that Label Studio could not send are asked for again at each thorough look, so many of them
at most: they may have been mended, or Label Studio."""

EXCESS = "excess"
"""The fact that holds how many annotations Label Studio counts beyond those that it shows: what a
look at everything could not explain is not looked for again."""


def synchronise(pool: Pool, studio: StudioProject, config: LabelConfig) -> int:
    """Bring the mirror up to date. Returns the number of tasks that changed.

    Annotations created, changed, deleted and skipped all move their task's `updated_at`, so a look
    at what was updated since the last one finds them. The first look, at all tasks, is taken in
    parts, see `is_read`.
    """
    since = pool.fact(CURSOR)
    if since is None:
        pool.remember(READING, 0)
    # By Label Studio's own clock, and as it stood before this look begins.
    now = studio.session.server_time()
    changed = 0
    if since is not None:
        changed += pool.update(studio.tasks(since, up_to=pool.fact(READING)), config)
    overlapping = now - timedelta(seconds=OVERLAP_SECONDS)
    pool.remember(CURSOR, overlapping.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    if not is_read(pool):
        changed += _read_on(pool, studio, config)
    return changed


def is_read(pool: Pool) -> bool:
    """Whether the first look at all tasks is done.

    A million tasks take Label Studio a quarter of an hour. So that there is an order meanwhile, the
    look stops whenever it knows twice as many as before, or MOST_AT_ONCE more; and it goes on from
    there, also after a lost connection or a restart.
    """
    return pool.fact(CURSOR) is not None and pool.fact(READING) is None


def _count_unread(pool: Pool, described: Json) -> None:
    """Remember how many open tasks the first look has not come to yet, by Label Studio's counts."""
    unread = int(described["task_number"]) - pool.count()
    annotated = int(described["num_tasks_with_annotations"]) - len(pool.annotated())
    pool.remember(UNREAD, max(0, unread - max(0, annotated)))


def _read_on(pool: Pool, studio: StudioProject, config: LabelConfig) -> int:
    known = pool.count()
    enough = known + min(known, MOST_AT_ONCE)
    changed = 0
    for page, left in studio.task_pages(pool.fact(READING)):
        changed += pool.update(page, config)
        pool.remember(READING, page[-1]["id"])
        known += len(page)
        if left and known >= enough:
            return changed
    pool.remember(READING, None)
    pool.remember(UNREAD, 0)
    return changed


def reconcile(
    pool: Pool, studio: StudioProject, described: Json, config: LabelConfig, before: int
) -> int:
    """Bring the mirror up to date, then compare its counts with Label Studio's own, and read
    everything again where they differ. Returns the number of tasks that changed.

    Deleted tasks leave no trace but a smaller count. And whatever `updated_at` does not show (a
    restored backup, a clock set back) shows in the number of annotations.

    described: the project as Label Studio described it before this look; before: the mirror's
    annotations at that time. People are at work meanwhile, so only a number outside of what the
    mirror held before and after this look is wrong.
    """
    was_read = is_read(pool)
    changed = synchronise(pool, studio, config)
    if not is_read(pool):
        _count_unread(pool, described)
    changed += pool.update(studio.these(pool.unsent()[:ASKED_AGAIN]), config)
    if not was_read:
        return changed  # what people did meanwhile shows at the next look
    if int(described["task_number"]) != pool.count():
        changed += _complete(pool, studio, config)
    after = pool.annotation_count()
    there = annotations_in(described)
    excess = there - min(max(there, min(before, after)), max(before, after))
    if excess and excess != pool.fact(EXCESS):
        log.warning(
            "project %d: Label Studio has %d annotations, the mirror %d; all are read again",
            studio.number,
            there,
            after,
        )
        changed += pool.update(studio.tasks(), config)
        excess = there - pool.annotation_count()
    pool.remember(EXCESS, excess)
    return changed


def _complete(pool: Pool, studio: StudioProject, config: LabelConfig) -> int:
    """Forget the tasks that are gone, and read those that no look at changes shows: restored from a
    backup, or imported in a transaction that took longer than OVERLAP_SECONDS."""
    ids = studio.task_ids()
    changed = pool.keep_only(ids) + synchronise(pool, studio, config)
    missing = ids - pool.ids()
    if missing:
        for page, _ in studio.task_pages(min(missing) - 1):
            changed += pool.update(page, config)
    return changed


def annotations_in(described: Json) -> int:
    """Annotations of a project, skips among them, as Label Studio counts them."""
    return int(described["total_annotations_number"]) + int(described["skipped_annotations_number"])
