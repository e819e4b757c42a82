"""The job that encodes a pool."""

import time
from contextlib import closing
from typing import Any

import numpy as np

from backend.interface.content import key_of
from backend.interface.names import keys_of, names_of
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.media.contents import readable
from backend.media.reading import Reader
from backend.mirror.pool import Pool
from backend.trainer.encoders import TEXT_CHUNKS, chunks_for, loaded
from backend.trainer.messages import Embed
from backend.trainer.report import Report
from backend.types import Json
from model.choosing.audit import ENCODING_LOT, draw
from model.choosing.choice import SCORED_ROWS
from model.encoders.joint import JointEncoder
from model.storage.store import Store
from model.types import Ints

TURN_SECONDS = 60.0
"""Encoding stops after this time, so that other projects have their turn; the rest is asked for
again."""


def embed_pool(job: Embed, report: Report) -> Json:
    """Encode everything in the pool that has no vector by this encoder yet.

    The names of the labels come first, because without labels the first order is made from them;
    then what is labelled, and the rest in a random order, so that it is always a fair sample of the
    pool: with SCORED_ROWS of it an encoder is ready to rank. Stops after TURN_SECONDS.
    """
    until = time.monotonic() + TURN_SECONDS
    subject, number = job.subject, job.encoder
    config = parse(subject.interface, subject.ignored)
    store, pool = Store(subject.folder), Pool(subject.folder / "pool.sqlite")
    spec = store.encoders()[number].spec
    encoder = loaded(spec, store.tuned_folder(number))
    vectors = store.encoded(number)
    if job.label_names:
        _embed_names(encoder, vectors, config)
    ids, keys = pool.keys(config, subject.seed)
    missing = _in_order(pool, ids, np.flatnonzero(vectors.rows(keys) < 0), subject.seed)
    size, largest = chunks_for(config.layout)
    done = 0
    with closing(Reader(encoder, spec, store, subject.access)) as reader:
        while done < len(missing) and (done == 0 or time.monotonic() < until):
            chunk = ids[missing[done : done + size]]
            read = list(readable(pool, reader, chunk, config))
            # Of what was read just now: the interface, and with it the keys, may have changed.
            found = np.array([key_of(parts) for _, parts, _ in read], dtype=np.int64)
            encoded: Any = encoder.encode([example for _, _, example in read])
            vectors.append(found, encoded)
            done, size = min(done + size, len(missing)), min(2 * size, largest)
            report.advanced(1.0 - (len(missing) - done) / len(ids))
    left = len(missing) - done
    if left == 0 or len(ids) - left >= SCORED_ROWS:
        store.mark_ready(number)
    return {"encoder": number, "tasks": done, "left": left}


def _in_order(pool: Pool, ids: Ints, missing: Ints, seed: int) -> Ints:
    """The rows to encode: first what is labelled, then the rest at random."""
    is_labelled = np.isin(ids[missing], pool.annotated())
    lots = draw(ids[missing], seed + ENCODING_LOT)
    ordered: Ints = missing[np.argsort(np.where(is_labelled, -1.0, lots))]
    return ordered


def _embed_names(encoder: JointEncoder, vectors: Any, config: LabelConfig) -> None:
    """Encode the names of the labels that have no vector yet."""
    names = list(names_of(config).values())
    keys = keys_of(names)
    missing = np.flatnonzero(vectors.rows(keys) < 0) if names else keys
    _, size = TEXT_CHUNKS
    for start in range(0, len(missing), size):
        rows = missing[start : start + size]
        vectors.append(keys[rows], encoder.encode([names[row] for row in rows]))
