"""Delete what is no longer needed: replaced versions in Label Studio, and their files here."""

import logging
import time
from itertools import pairwise

from backend.mirror.pool import PINNED, Pool
from backend.studio.project import StudioProject
from model.storage.store import Store, Version, version_key

log = logging.getLogger(__name__)

KEPT_ENCODERS, KEPT_VERSIONS = 3, 200
"""A version of a taxonomy takes several megabytes, and each submit makes one."""


def clean_up(
    studio: StudioProject, pool: Pool, store: Store, served: Version, keep_hours: float
) -> None:
    """Delete predictions that no open page can still show, and what belongs to them."""
    keep_seconds = keep_hours * 3600.0
    deleted = delete_old_versions(studio, pool, served.name, keep_seconds, time.time())
    delete_old_files(store, served, list(pool.published()), pool.fact(PINNED))
    if deleted:
        log.info("project %d: deleted %d old versions", studio.number, len(deleted))


def delete_old_versions(
    studio: StudioProject, pool: Pool, served: str, keep_seconds: float, now: float
) -> list[str]:
    """Delete our versions that were replaced more than `keep_seconds` ago. Returns their names.

    A page that still shows a prediction of a deleted version can neither submit nor skip. The
    served version and the one before it are always kept; other backends' versions are not touched.
    """
    published = pool.published()
    names = list(published)
    deleted = []
    for name, successor in pairwise(names[:-1]):
        if name != served and published[successor] < now - keep_seconds:
            studio.delete_model_version(name)
            pool.drop_published(name)
            deleted.append(name)
    return deleted


def delete_old_files(
    store: Store, served: Version, published: list[str], pinned: str | None
) -> None:
    """Delete encoders older than the served one, except the newest KEPT_ENCODERS, and versions,
    except the newest KEPT_VERSIONS of those `published` (oldest first) that Label Studio still
    holds. The pinned version is kept, and the last one of each encoder, to roll back to."""
    pinned_encoder = None if pinned is None else version_key(pinned)[0]
    for number in list(store.encoders())[:-KEPT_ENCODERS]:
        if number < served.encoder and number != pinned_encoder:
            store.delete_encoder(number)
    names = store.version_names()
    last = {version_key(name)[0]: name for name in names}
    kept = {last[number] for number in store.encoders() if number in last}
    kept |= {served.name, *published[-KEPT_VERSIONS:]}
    for name in set(names) - kept - {pinned}:
        store.delete_version(name)
