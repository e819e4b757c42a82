"""Which versions were written into Label Studio: what is served after a start, and which names are
taken."""

import logging
import time
from collections.abc import Callable

from backend.folder.damage import opened
from backend.interface.questions import LabelConfig
from backend.mirror.pool import Pool
from backend.studio.project import StudioProject
from model.storage.damage import WrittenLater
from model.storage.store import Store, Version

log = logging.getLogger(__name__)


def last_published(
    pool: Pool, store: Store, config: LabelConfig, note: Callable[[str], object] = log.error
) -> Version | None:
    """The version that was published last: after a start, it is what Label Studio serves. A damaged
    one is set aside, which `note` is told in a sentence, and the one before it is taken."""
    published = pool.published()
    names = [name for name in store.version_names() if name in published]
    for name in sorted(names, key=lambda name: published[name], reverse=True):
        version = _opened(store, name, note)
        encoder = None if version is None else store.encoders().get(version.encoder)
        if encoder is not None and encoder.spec.layout == config.layout:
            log.info("project %s: version %s is served again", store.folder.name, name)
            return version
    return None


def _opened(store: Store, name: str, note: Callable[[str], object]) -> Version | None:
    try:
        found = opened(store, name, time.time())
    except WrittenLater as error:
        note(f"Version {name} cannot be read: {error}")
        return None
    if isinstance(found, str):
        note(found)
        return None
    return found


def names_there(studio: StudioProject, pool: Pool, store: Store) -> set[str]:
    """Version names that Label Studio holds. Those that we know but forgot to have written (a
    damaged mirror was begun again) are taken back into our care, to be deleted in time."""
    names = set(studio.model_versions())
    for name in names & set(store.version_names()) - set(pool.published()):
        pool.add_published(name, time.time())
    return names
