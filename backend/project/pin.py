"""Which version is served, and the pin: a version that people rolled back to, which serves as it is
until they remove the pin."""

import logging
from contextlib import closing
from pathlib import Path

from backend.errors import BackendError, UnknownVersion
from backend.interface.questions import LabelConfig
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import PINNED, Pool
from backend.project.versions import version_of
from model.heads.head import Head
from model.storage.store import Store, Version
from model.types import in_words

log = logging.getLogger(__name__)

SHOWN_LABELS = 10


def pinned_name(folder: Path) -> str | None:
    """The name of the version that is pinned in a project's folder; None without a pin."""
    path = folder / MIRROR
    if not path.is_file():  # opening would make it, and the server takes up what has one
        return None
    with closing(Pool(path)) as pool:
        name: str | None = pool.fact(PINNED)
        return name


def served_name(folder: Path) -> str | None:
    """The name of the version that was written into Label Studio last; None before the first."""
    path = folder / MIRROR
    if not path.is_file():
        return None
    with closing(Pool(path)) as pool:
        return next(reversed(pool.published()), None)


def pinned_version(pool: Pool, store: Store, config: LabelConfig) -> Version | None:
    """The pinned version with its head; None when the turn is free to learn.

    A pin that cannot hold counts as none, with a warning in the log: when the version or its
    encoder is gone, and when the labelling interface has other labels now, or the same in another
    order, so that the head's probabilities would stand for the wrong ones. The pin is kept: it
    holds again as soon as the labels are back.
    """
    name = pool.fact(PINNED)
    if name is None:
        return None
    try:
        return fitting_version(store, name, config)
    except BackendError as error:
        log.warning("project %s: the pin does not hold: %s", store.folder.name, error)
        return None


def pin(store: Store, version: Version) -> None:
    """Have this version served from now on. Raises UnknownVersion when it cannot be."""
    check_servable(store, version)
    _remember(store, version.name)


def unpin(store: Store) -> None:
    """Serve the newest version again, and learn."""
    _remember(store, None)


def _remember(store: Store, name: str | None) -> None:
    # In the project's own database, where each turn of its loop looks.
    with closing(Pool(store.folder / MIRROR)) as pool:
        pool.remember(PINNED, name)


def check_servable(store: Store, version: Version) -> None:
    """Raises UnknownVersion when a version cannot serve again: without a head or an encoder."""
    if version.head is None:
        raise UnknownVersion(
            f"Version {version.name} was made before the first label: it has no head to go back to"
        )
    if version.encoder not in store.encoders():
        raise UnknownVersion(
            f"Encoder {version.encoder} of version {version.name} has been deleted; "
            "go back to a newer version"
        )


def fitting_version(store: Store, name: str, config: LabelConfig) -> Version:
    """The version of this name. Raises BackendError when it is gone or cannot serve, or when it was
    made for another labelling interface."""
    if name not in store.version_names():
        raise UnknownVersion(f"Version {name} has been deleted")
    version = version_of(store, name)
    check_servable(store, version)
    layout = store.encoders()[version.encoder].spec.layout
    if layout != config.layout:
        raise BackendError(
            f"Version {version.name} reads {in_words(layout)}, but the labelling interface "
            f"shows {in_words(config.layout)}"
        )
    head = version.head
    if head is not None and not _fits(head, config):
        raise BackendError(
            f"Version {version.name} knows the labels {_listed(head.labels)} ({head.kind}), but "
            f"the labelling interface has {_listed(config.labels)} ({config.kind})"
        )
    return version


def _fits(head: Head, config: LabelConfig) -> bool:
    """Whether the head answers what the labelling interface asks."""
    if config.whole is not None:
        whole = head.whole
        is_known = whole is None or config.whole.of_labels(whole.labels).labels == whole.labels
        return is_known and (head.kind, head.labels) == (config.kind, config.head_labels)
    learnt = config.of_labels(head.labels) if config.is_learnt_in_parts else config
    return (head.kind, head.labels) == (learnt.kind, learnt.head_labels) and head.whole is None


def _listed(labels: tuple[str, ...]) -> str:
    """The first few; a taxonomy has thousands."""
    more = len(labels) - SHOWN_LABELS
    return ", ".join(labels[:SHOWN_LABELS]) + (f" and {more} more" if more > 0 else "")
