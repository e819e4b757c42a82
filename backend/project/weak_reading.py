"""The predictions that other programs leave in Label Studio are read, and read again when there are
others: Label Studio sends no webhook for them.

How many predictions of each model version there are, and when the last one was made, shows what
comes and goes. A prediction that somebody changes in its place shows in neither, so all of them are
also read again once a day. A page of tasks is read in each turn, so that no turn takes long.
"""

import logging
from collections.abc import Iterable

from backend.errors import StudioError
from backend.mirror.finished import FACT as FINISHED
from backend.mirror.pool import Pool
from backend.mirror.predictions import predictions_in
from backend.queue.tabs import is_sure_version
from backend.studio.project import StudioProject
from backend.types import UNSENT, Json
from model.storage.store import version_key

log = logging.getLogger(__name__)

PLACE = "reading predictions"
"""The fact that holds after which task this goes on; None when it is done."""

SEEN = "predictions seen"
"""The fact that holds the versions of other programs, with their counts, as they were read last."""

EVERY_SECONDS = 24 * 3600.0

PAUSE_SECONDS, MANY = 300.0, 10_000
"""From so many predictions on, they are not read more often than this: while another program
writes them, each look finds others."""

SHOWN = 10

READ_AT = "predictions read"
"""The fact that holds when they were read last (Unix time)."""


def look(pool: Pool, studio: StudioProject, now: float) -> list[str]:
    """Have the predictions of other programs read if there are others than before, or for a day
    none were read. `now`: Unix time. Returns why some are not used, in sentences."""
    if is_going_on(pool):
        return []
    detailed = studio.versions_in_detail()
    versions = {name: one for name, one in detailed.items() if not is_sure_version(name)}
    ours = {*pool.published(), *(pool.fact(FINISHED) or [])}
    unused, there = _unused(versions, ours), foreign(versions, ours)
    passed = now - (pool.fact(READ_AT) or 0.0)
    count = sum(facts[0] for facts in there.values())
    is_new = there != (pool.fact(SEEN) or {}) and (count < MANY or passed >= PAUSE_SECONDS)
    if is_new or (there and passed >= EVERY_SECONDS):
        pool.remember(SEEN, there)
        pool.remember(READ_AT, now)
        pool.remember(PLACE, 0)
    return unused


def _unused(versions: Json, published: Iterable[str]) -> list[str]:
    """Why predictions of some versions are not used."""
    ours = set(published)
    found = [
        f"The {facts[0]} predictions of model version '{name}' are not used as weak labels: its "
        "name is like those of this backend's own versions. Give it another name"
        for name, facts in versions.items()
        if name not in ours and is_own(name)
    ]
    nameless = versions.get("")
    if nameless:
        found.append(
            f"{nameless[0]} predictions have no model version, so they are not used as weak "
            "labels. Import them again with a `model_version`"
        )
    return found[:SHOWN]


def forget(pool: Pool) -> None:
    """They are not to be used (any more)."""
    if pool.fact(SEEN):
        pool.remember(SEEN, {})
        pool.remember(PLACE, None)
        pool.replace_predictions(0, None, [])
        pool.predictions_are_read()


def is_going_on(pool: Pool) -> bool:
    return pool.fact(PLACE) is not None


def read_on(pool: Pool, studio: StudioProject) -> str:
    """Read the next page of tasks that have any. Returns why some could not be read, or ""."""
    after, sources = pool.fact(PLACE), pool.fact(SEEN)
    try:
        tasks, left = next(studio.predicted(after), ([], 0)) if sources else ([], 0)
    except StudioError as error:
        if error.status is None:
            raise  # Label Studio is away
        pool.remember(SEEN, {})  # so that the next look begins again
        pool.remember(PLACE, None)
        return f"The predictions of other programs cannot be read: {error}"
    found = [one for task in tasks for one in predictions_in(task, sources)]
    up_to = tasks[-1]["id"] if left else None
    pool.replace_predictions(after, up_to, found)
    pool.remember(PLACE, up_to)
    if up_to is None:
        pool.predictions_are_read()
        names = ", ".join(sorted(sources)[:SHOWN]) or "none"
        log.info("project %d: predictions of others were read: %s", studio.number, names)
    unsent = [task["id"] for task in tasks if UNSENT in task]
    if not unsent:
        return ""
    return (
        f"Label Studio cannot send the predictions of {len(unsent)} tasks, such as task "
        f"{unsent[0]}, so they are not used as weak labels"
    )


def is_own(version: str) -> bool:
    """Whether a model version is named like one of this backend, such as 2.13."""
    try:
        _, refit = version_key(version)
    except ValueError:
        return False
    return refit > 0  # 2.0 was never ours


def foreign(versions: Json, published: Iterable[str]) -> Json:
    """Of the model versions in a project, those of other programs."""
    ours = set(published)
    return {
        name: facts
        for name, facts in versions.items()
        if name and name not in ours and not is_own(name)
    }
