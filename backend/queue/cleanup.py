"""Delete what is no longer needed: replaced versions in Label Studio, and their files here."""

import logging
import time
from collections.abc import Collection
from itertools import pairwise

from backend.mirror.finished import FACT as FINISHED
from backend.mirror.pool import PINNED, Pool
from backend.studio.project import StudioProject
from model.storage.earlier import voting_encoder
from model.storage.store import Store, Version, version_key

log = logging.getLogger(__name__)

KEPT_ENCODERS, KEPT_VERSIONS = 3, 200
"""A version of a taxonomy takes several megabytes, and each submit makes one."""

MOST_ROWS = 5_000
"""Predictions that stay in Label Studio once no open page should show them any more. Five people
who label fast would leave 200,000 in twelve hours, which slow each deletion and each backup."""

OPEN_SECONDS = 2 * 3600.0
"""For so long a page may be open on a task, over lunch for example, whatever follows meanwhile."""

DELETED_AT_ONCE = 20
"""Label Studio deletes a version in some tenths of a second; the rest waits for the next look."""


def clean_up(
    studio: StudioProject, pool: Pool, store: Store, served: Version, keep_hours: float, rows: int
) -> None:
    """Delete predictions that no open page can still show, and what belongs to them. `rows`: how
    many a version has."""
    finished: list[str] = pool.fact(FINISHED) or []
    names = obsolete(
        pool.published(), served.name, keep_hours * 3600.0, MOST_ROWS // rows, time.time()
    )
    # People asked for these predictions, and take them back themselves.
    deleted = [name for name in names if name not in finished][:DELETED_AT_ONCE]
    for name in deleted:
        studio.delete_model_version(name)
        pool.drop_published(name)
    pinned = pool.fact(PINNED)
    wanted = {*finished, *([] if pinned is None else [pinned])}
    delete_old_files(store, served, list(pool.published()), wanted)
    if deleted:
        log.info("project %d: deleted %d old versions", studio.number, len(deleted))


def obsolete(
    published: dict[str, float], served: str, keep_seconds: float, most: int, now: float
) -> list[str]:
    """Of our versions, oldest first with the time of their import, those to delete: replaced more
    than `keep_seconds` ago, or more than OPEN_SECONDS and not among the newest `most`.

    A page that still shows a prediction of a deleted version can neither submit nor skip. The
    served version and the one before it are always kept.
    """
    names = list(published)
    found = []
    for place, (name, successor) in enumerate(pairwise(names[:-1])):
        age = now - published[successor]
        is_crowded = age > OPEN_SECONDS and place < len(names) - most
        if name != served and (age > keep_seconds or is_crowded):
            found.append(name)
    return found


def delete_old_files(
    store: Store, served: Version, published: list[str], wanted: Collection[str]
) -> None:
    """Delete encoders older than the served one, except the newest KEPT_ENCODERS and the one whose
    vectors the head of an earlier project reads, and versions, except the newest KEPT_VERSIONS of
    those `published` (oldest first) that Label Studio still holds. The `wanted` versions are kept,
    which are pinned or wrote what people asked for, and the last one of each encoder, to roll back
    to."""
    needed = {*(version_key(name)[0] for name in wanted), voting_encoder(store)}
    for number in list(store.encoders())[:-KEPT_ENCODERS]:
        if number < served.encoder and number not in needed:
            store.delete_encoder(number)
    names = store.version_names()
    last = {version_key(name)[0]: name for name in names}
    kept = {last[number] for number in store.encoders() if number in last}
    kept |= {served.name, *published[-KEPT_VERSIONS:]}
    for name in set(names) - kept - set(wanted):
        store.delete_version(name)
