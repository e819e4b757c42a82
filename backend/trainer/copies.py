"""The job that looks for near copies in a pool."""

import time
from contextlib import closing

import numpy as np

from backend.interface.content import Parts
from backend.interface.questions import LabelConfig
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.trainer.messages import FindCopies
from backend.trainer.report import Report
from backend.types import Json
from model.choosing.copies import cleaned, leaders_of, near_pairs
from model.snapshot import pool_centre
from model.storage.copies import NO_COPIES, Copies, load_copies, mark_of, save_copies
from model.storage.store import HERE, Store
from model.types import Ints, is_of_things

READ_AT_ONCE = 1000
"""Tasks that are read between two signs of life."""


def find_copies(job: FindCopies, report: Report) -> Json:
    """Find what is equal after cleaning, and what is near by the vectors of `encoder`, unless that
    was tuned: then all of one label may be near. What was near by an earlier encoder stays so.

    Of copies, that of the task with the lowest number leads.
    """
    began, subject, store = time.monotonic(), job.subject, Store(job.subject.folder)
    config = subject.config
    with closing(Pool(subject.folder / MIRROR)) as pool:
        ids, keys = pool.keys(config, subject.seed)
        _, first = np.unique(keys, return_index=True)
        first = np.sort(first)
        ids, keys = ids[first], keys[first]  # each content once, in the order of the tasks
        equal = _equal_after_cleaning(pool, ids, config, report)
    alone = np.flatnonzero(equal == np.arange(len(keys)))
    rows = _rows(store, job.encoder, keys)
    pairs = _near(store, job.encoder, rows[alone], subject.seed, report)
    known = _known_before(load_copies(subject.folder) or NO_COPIES, keys[alone])
    leaders = np.arange(len(keys))
    leaders[alone] = alone[leaders_of(np.concatenate([pairs, known]), len(alone))]
    leaders = leaders[equal]
    copies, their = _of_several(keys, keys[leaders])
    encoded, seconds = int((rows >= 0).sum()), round(time.monotonic() - began, 3)
    save_copies(subject.folder, Copies(copies, their, len(keys), encoded, mark_of(keys), seconds))
    return {"contents": len(keys), "encoded": encoded, "copies": len(copies)}


def _equal_after_cleaning(pool: Pool, ids: Ints, config: LabelConfig, report: Report) -> Ints:
    """For each of these tasks (n,) the place of the first that shows the same, but for what
    `cleaned` leaves out of texts."""
    first: dict[Parts, int] = {}
    found = np.zeros(len(ids), dtype=np.int64)
    for start in range(0, len(ids), READ_AT_ONCE):
        some = ids[start : start + READ_AT_ONCE].tolist()
        for place, parts in enumerate(pool.parts(some, config), start=start):
            found[place] = first.setdefault(_cleaned(parts, config), place)
        report.working()
    return found


def _cleaned(parts: Parts, config: LabelConfig) -> Parts:
    return tuple(
        cleaned(part) if part is not None and medium == "text" else part
        for part, medium in zip(parts, config.layout, strict=True)
    )


def _rows(store: Store, encoder: int, keys: Ints) -> Ints:
    """The rows (n,) of the vectors of what has these content keys, -1 for none; nothing has any by
    a tuned encoder, by one that is gone, and by one of pairs: differences may be near where what
    they are of is not."""
    meta = store.encoders().get(encoder)
    if meta is None or meta.source == HERE or is_of_things(meta.layout):
        return np.full(len(keys), -1, dtype=np.int64)
    return store.vectors(encoder).rows(keys)


def _near(store: Store, encoder: int, rows: Ints, seed: int, report: Report) -> Ints:
    """The pairs (p, 2) of places whose vectors, in these rows (n,), are near."""
    there = np.flatnonzero(rows >= 0)
    if len(there) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    view = store.vectors(encoder).view(rows[there])
    pairs: Ints = there[near_pairs(view, pool_centre(view, seed), seed, advanced=report.advanced)]
    return pairs


def _known_before(before: Copies, keys: Ints) -> Ints:
    """The pairs (p, 2) among what has these content keys (n,) that were found before."""
    groups = before.groups(keys)
    _, first, mine = np.unique(groups, return_index=True, return_inverse=True)
    pairs = np.stack([first[mine], np.arange(len(keys))], axis=1)
    found: Ints = pairs[pairs[:, 0] != pairs[:, 1]]
    return found


def _of_several(keys: Ints, leaders: Ints) -> tuple[Ints, Ints]:
    """Both (n,) without what has no copy, in the order of the keys."""
    _, mine, counts = np.unique(leaders, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts[mine] > 1)
    order = several[np.argsort(keys[several])]
    return keys[order], leaders[order]
