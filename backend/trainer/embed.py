"""The job that encodes a pool."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.interface.content import Parts, key_of
from backend.interface.names import keys_of, names_of
from backend.interface.questions import LabelConfig
from backend.media.contents import RETRY_SECONDS, opened_record, readable
from backend.media.reading import Reader
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.trainer.encoders import TEXT_CHUNKS, chunks_for, loaded
from backend.trainer.messages import Embed
from backend.trainer.report import Report
from backend.types import Json
from model.choosing.audit import ENCODING_LOT, draw
from model.choosing.choice import SCORED_ROWS
from model.encoders.joint import JointEncoder
from model.storage.damage import Damaged, broken_rows
from model.storage.store import Store
from model.storage.tokens import TokenStore
from model.storage.vectors import VectorStore
from model.types import Ints

if TYPE_CHECKING:  # most projects have no boxes
    from model.storage.proposals import ProposalStore

log = logging.getLogger(__name__)

TURN_SECONDS = 60.0
"""Encoding stops after this time, so that other projects have their turn; the rest is asked for
again."""

CHUNK_SECONDS = 5.0
"""Vectors come about as often as this, or people who label fast run out of tasks that have any."""

NOT_NUMBERS = (
    "The encoder computes vectors that are not numbers: its weights are damaged. Nothing is learnt "
    "with it; after a restart of the backend it is set aside"
)

NOT_A_NUMBER = (
    "the encoder computes values that are not numbers for what this task shows, so it has no place "
    "in the order: change what it shows, or delete the task. If this is said of many tasks, the "
    "encoder is damaged: restart the backend, which checks it"
)


def embed_pool(job: Embed, report: Report) -> Json:
    """Encode everything in the pool that has no vector by this encoder yet.

    The names of the labels come first, because without labels the first order is made from them;
    then what is labelled, and the rest in a random order, so that it is always a fair sample of the
    pool: with SCORED_ROWS of it an encoder is ready to rank. What was being read when the process
    ended comes last, one by one. Stops after TURN_SECONDS.
    """
    until = time.monotonic() + TURN_SECONDS
    subject, number = job.subject, job.encoder
    config = subject.config
    store, pool = Store(subject.folder), Pool(subject.folder / MIRROR)
    spec = store.encoders()[number].spec
    encoder = loaded(spec, store.tuned_folder(number))
    vectors = store.encoded(number)
    if job.label_names:
        _embed_names(encoder, vectors, config)
    record = opened_record(pool, config, subject.folder, report.working)
    ids, keys = pool.keys(config, subject.seed)
    missing = _in_order(pool, ids, np.flatnonzero(vectors.rows(keys) < 0), subject.seed)
    done = 0
    with closing(Reader(encoder, spec, store, subject.access, record)) as reader:
        for chunk in _chunks(ids[missing], record.suspects(), *chunks_for(config.layout)):
            if done and time.monotonic() > until:
                break
            read = list(readable(pool, reader, chunk, config))
            with record.naming([task for task, _, _ in read]):
                encoded: Any = encoder.encode([example for _, _, example in read])
            record.forget(chunk.tolist())
            _keep(vectors, pool, [(task, parts) for task, parts, _ in read], encoded)
            done += len(chunk)
            report.advanced(1.0 - (len(missing) - done) / len(ids))
    left = len(missing) - done
    if left == 0 or len(ids) - left >= SCORED_ROWS:
        store.mark_ready(number)
    return {"encoder": number, "tasks": done, "left": left}


def _keep(
    vectors: "VectorStore | TokenStore | ProposalStore",
    pool: Pool,
    shown: list[tuple[int, Parts]],
    encoded: Any,
) -> None:
    """Store what was encoded of these tasks; the pool records as unreadable those of which it is
    not finite. Raises Damaged when it never is: nothing has a vector by this encoder then."""
    # Of what was read just now: the interface, and with it the keys, may have changed.
    keys = np.array([key_of(parts) for _, parts in shown], dtype=np.int64)
    broken = vectors.append(keys, encoded).tolist()
    is_all = len(broken) == len(shown)
    if broken and is_all and not vectors.count():
        raise Damaged(NOT_NUMBERS)
    # Where none is finite, the fault may be the machine's, and pass.
    again_at = time.time() + RETRY_SECONDS if is_all else None
    for place in broken:
        pool.add_unreadable(int(keys[place]), shown[place][0], NOT_A_NUMBER, again_at)
    if broken:
        log.warning("%d tasks, such as %d: %s", len(broken), shown[broken[0]][0], NOT_A_NUMBER)


def _in_order(pool: Pool, ids: Ints, missing: Ints, seed: int) -> Ints:
    """The rows to encode: first what is labelled, then the rest at random."""
    is_labelled = np.isin(ids[missing], pool.annotated())
    lots = draw(ids[missing], seed + ENCODING_LOT)
    ordered: Ints = missing[np.argsort(np.where(is_labelled, -1.0, lots))]
    return ordered


def _chunks(ids: Ints, suspects: list[int], size: int, largest: int) -> Iterator[Ints]:
    """The tasks to encode at once: `size` at first, then more and more up to `largest`, but fewer
    where they take longer than CHUNK_SECONDS; at the end the suspects, each alone."""
    is_suspect = np.isin(ids, suspects)
    together, alone = ids[~is_suspect], ids[is_suspect]
    start = 0
    while start < len(together):
        began = time.monotonic()
        yield together[start : start + size]
        start += size
        is_slow = time.monotonic() - began > CHUNK_SECONDS
        size = max(1, size // 2) if is_slow else min(2 * size, largest)
    yield from alone[:, None]


def _embed_names(encoder: JointEncoder, vectors: Any, config: LabelConfig) -> None:
    """Encode the names of the labels that have no vector yet."""
    names = list(names_of(config).values())
    keys = keys_of(names)
    missing = np.flatnonzero(vectors.rows(keys) < 0) if names else keys
    _, size = TEXT_CHUNKS
    for start in range(0, len(missing), size):
        rows = missing[start : start + size]
        encoded: Any = encoder.encode([names[row] for row in rows])
        if isinstance(vectors, TokenStore):
            vectors.append(keys[rows], encoded)
            continue
        broken = broken_rows(encoded.astype(np.float16))
        if len(broken) < len(rows) or vectors.count():  # else the encoder itself is damaged
            encoded[broken] = 0.0  # what a name without a vector counts as: it is not tried again
        if len(vectors.append(keys[rows], encoded)):
            raise Damaged(NOT_NUMBERS)
