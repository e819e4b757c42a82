"""Bring the mirror in step with Label Studio: by what changed, or by everything when in doubt."""

import logging
from datetime import timedelta

from backend.pool import Pool
from backend.studio.annotations import Json
from backend.studio.api import Studio
from backend.studio.label_config import LabelConfig

log = logging.getLogger(__name__)

OVERLAP_SECONDS = 10
"""Each look goes back a little: what was being saved during the last one must not be missed."""

CURSOR = "cursor"
"""The fact that holds the time from which on to ask for changes."""

EXCESS = "excess"
"""The fact that holds how many annotations Label Studio counts beyond those that it shows: what a
look at everything could not explain is not looked for again."""


def synchronise(pool: Pool, studio: Studio, project: int, config: LabelConfig) -> int:
    """Bring the mirror up to date. Returns the number of tasks that changed.

    Annotations created, changed, deleted and skipped all move their task's `updated_at`, so a look
    at what was updated since the last one finds them.
    """
    # By Label Studio's own clock, and as it stood before this look begins.
    now = studio.server_time()
    changed = pool.update(studio.tasks(project, pool.fact(CURSOR)), config)
    since = now - timedelta(seconds=OVERLAP_SECONDS)
    pool.remember(CURSOR, since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    return changed


def reconcile(pool: Pool, studio: Studio, described: Json, config: LabelConfig, before: int) -> int:
    """Bring the mirror up to date, then compare its counts with Label Studio's own, and read
    everything anew where they differ. Returns the number of tasks that changed.

    Deleted tasks leave no trace but a smaller count. And whatever `updated_at` does not tell (a
    backup put back, a clock set back) shows in the number of annotations.

    described: the project as Label Studio described it before this look; before: the mirror's
    annotations at that time. People are at work meanwhile, so only a number outside of what the
    mirror held before and after this look is wrong.
    """
    project = int(described["id"])
    changed = synchronise(pool, studio, project, config)
    if int(described["task_number"]) != pool.count():
        changed += pool.keep_only(studio.task_ids(project))
    after = pool.annotation_count()
    there = annotations_in(described)
    excess = there - min(max(there, min(before, after)), max(before, after))
    if excess and excess != pool.fact(EXCESS):
        log.warning(
            "project %d: Label Studio has %d annotations, the mirror %d; all are read anew",
            project,
            there,
            after,
        )
        changed += pool.update(studio.tasks(project), config)
        excess = there - pool.annotation_count()
    pool.remember(EXCESS, excess)
    return changed


def annotations_in(described: Json) -> int:
    """Annotations of a project, skips among them, as Label Studio counts them."""
    return int(described["total_annotations_number"]) + int(described["skipped_annotations_number"])
