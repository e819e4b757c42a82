"""The job that draws a map of the pool."""

import time
from contextlib import closing

import numpy as np

from backend.interface.questions import LabelConfig
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.trainer.messages import Draw
from backend.trainer.report import Report
from backend.types import Json
from model.choosing.audit import MAP_LOT, by_lot
from model.mapping.layout import laid_out
from model.mapping.regions import named_regions, read_rows
from model.storage.maps import MOST_POINTS, Map, load_map, save_map
from model.storage.store import Store
from model.types import Floats, Ints

READ_AT_ONCE = 1000
"""Tasks whose texts are read between two signs of life."""


def draw_map(job: Draw, report: Report) -> Json:
    """Place the tasks that have a vector, name the regions of the map by their texts, and keep the
    map in place of the one before, whose points begin where they were.

    What several tasks show is one point. Of a pool with more than MOST_POINTS, the same ones are
    drawn each time.
    """
    subject, store = job.subject, Store(job.subject.folder)
    config, seed, vectors = subject.config, subject.seed, store.vectors(job.encoder)
    identity = store.encoders()[job.encoder].identity
    with closing(Pool(subject.folder / MIRROR)) as pool:
        ids, keys = pool.keys(config, seed)
        chosen = _chosen(keys, vectors.rows(keys), seed)
        ids, keys = ids[chosen], keys[chosen]
        start = _places_before(load_map(subject.folder), keys)
        positions = laid_out(vectors.view(vectors.rows(keys)), start, seed, report.advanced)
        texts = _texts(pool, ids, config, seed, report)
    regions = named_regions(positions, texts, seed)
    made = Map(keys, positions, job.encoder, identity, time.time(), regions)
    save_map(subject.folder, made)
    return {"encoder": job.encoder, "points": len(keys), "regions": len(regions)}


def _chosen(keys: Ints, rows: Ints, seed: int) -> Ints:
    """The places of the tasks to draw among these content keys (n,), whose vectors are in these
    rows, -1 for none: each content once, MOST_POINTS at most."""
    known = np.flatnonzero(rows >= 0)
    _, first = np.unique(keys[known], return_index=True)
    once = known[first]
    chosen: Ints = once[by_lot(keys[once], MOST_POINTS, seed + MAP_LOT)]
    return chosen


def _places_before(before: Map | None, keys: Ints) -> Floats | None:
    """Where what has these keys (n,) was on the map before: (n, 2), NaN for what was not there;
    None where nothing was."""
    rows = np.full(len(keys), -1) if before is None else before.rows(keys)
    if before is None or (rows < 0).all():
        return None
    found: Floats = np.where(rows[:, None] >= 0, before.positions[rows], np.float32(np.nan))
    return found


def _texts(pool: Pool, ids: Ints, config: LabelConfig, seed: int, report: Report) -> list[str]:
    """The text that each of these tasks shows; "" where there is none, and for those that
    `named_regions` does not read."""
    found = [""] * len(ids)
    if config.layout[0] != "text":  # what is in the difference of two texts has no words
        return found
    column = 0
    rows = read_rows(len(ids), seed)
    for start in range(0, len(rows), READ_AT_ONCE):
        some = rows[start : start + READ_AT_ONCE].tolist()
        for row, parts in zip(some, pool.parts(ids[some], config), strict=True):
            found[row] = parts[column] or ""
        report.working()
    return found
