"""The trainer process: encodes pools and fine-tunes encoders, so that the server never waits.

It reads one job a line (JSON) on standard input and answers on standard output with lines of
`{"event": "progress" | "done" | "failed", ...}`. When its input ends, the server is gone and the
process ends at once, wherever it is: everything it writes is whole or absent.
"""

import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from backend.annotations import Json
from backend.errors import explained
from backend.label_config import parse
from backend.pool import Pool
from backend.review import disagreement, doubted
from backend.review import write as write_review
from backend.round import targets_of
from model.audit import draw, in_reserve
from model.encoder import TextEncoder
from model.finetune import Examples, Step, finetune
from model.store import HERE, EncoderMeta, Store, write_encoder_meta
from model.tracking import Tracker
from model.types import Ints

log = logging.getLogger(__name__)

NICENESS = 10
"""Requests and rounds go first; with 19 a busy machine would starve the training."""
FIRST_CHUNK, LAST_CHUNK = 64, 512
"""Texts encoded between two reports. The first chunk is small: annotators wait for an order."""

TURN_SECONDS = 60.0
"""Encoding stops after so long, so that other projects have their turn; the rest is asked anew."""

Report = Callable[[Json], None]


def add_base_encoder(job: Json, report: Report) -> Json:
    """Make the encoder named in the settings known to the store, as it comes."""
    store = Store(Path(job["folder"]))
    encoder = _loaded(job["base"], job["max_tokens"])
    meta = EncoderMeta(job["base"], job["base"], job["max_tokens"], encoder.dimension)
    with store.new_encoder(job["encoder"]) as folder:
        write_encoder_meta(folder, meta)
    return {"encoder": job["encoder"]}


def embed_pool(job: Json, report: Report) -> Json:
    """Encode every text of the pool that has no vector by this encoder yet.

    In an order drawn by lot, so that what is encoded so far is always a fair sample of the pool.
    Stops after TURN_SECONDS.
    """
    until = time.monotonic() + TURN_SECONDS
    folder, config, number = Path(job["folder"]), parse(job["config"]), job["encoder"]
    store, pool = Store(folder), Pool(folder / "pool.sqlite")
    meta = store.encoders()[number]
    encoder = _loaded(store.encoder_source(number), meta.max_tokens)
    vectors = store.vectors(number)
    ids, keys = pool.keys()
    missing = np.flatnonzero(vectors.rows(keys) < 0)
    missing = missing[np.argsort(draw(ids[missing], job["seed"]))]
    done, size = 0, FIRST_CHUNK
    while done < len(missing) and (done == 0 or time.monotonic() < until):
        chunk = missing[done : done + size]
        texts = pool.texts(ids[chunk].tolist(), config)
        vectors.append(keys[chunk], encoder.encode(texts))
        done, size = done + len(chunk), min(2 * size, LAST_CHUNK)
        report({"stage": "embed", "share": 1.0 - (len(missing) - done) / len(ids)})
    if done == len(missing):
        store.mark_complete(number)
    return {"encoder": number, "texts": done, "left": len(missing) - done}


def tune_encoder(job: Json, report: Report) -> Json:
    """Fine-tune a fresh copy of the base encoder on all labels, as a new encoder of the store."""
    folder, config = Path(job["folder"]), parse(job["config"])
    store, pool = Store(folder), Pool(folder / "pool.sqlite")
    answers = pool.labelling(config, job["empty_is_none"]).answers
    ids = np.array(sorted(answers), dtype=np.int64)
    held_out = in_reserve(ids, job["audit_share"], job["seed"])

    def examples(chosen: Ints) -> Examples:
        labels = [answers[task] for task in chosen.tolist()]
        return Examples(pool.texts(chosen.tolist(), config), targets_of(labels, config.labels))

    encoder = TextEncoder(job["base"], job["max_tokens"])
    with closing(Tracker(folder / "tensorboard" / f"encoder-{job['encoder']}")) as tracker:

        def observe(step: Step) -> None:
            tracker.step(len(ids), step)
            report({"stage": "tune", "share": step.number / step.total})

        result = finetune(
            encoder,
            examples(ids[~held_out]),
            examples(ids[held_out]),
            config.kind,
            seed=job["seed"],
            observe=observe,
        )
    meta = EncoderMeta(
        HERE, job["base"], job["max_tokens"], encoder.dimension, len(ids), asdict(result)
    )
    with store.new_encoder(job["encoder"]) as aside:
        encoder.save(aside)
        write_encoder_meta(aside, meta)
    return {"encoder": job["encoder"], "labels": len(ids), **asdict(result)}


def review_labels(job: Json, report: Report) -> Json:
    """Find the labels that the model doubts, and where people differ, for a second look."""
    folder, config = Path(job["folder"]), parse(job["config"])
    with closing(Pool(folder / "pool.sqlite")) as pool:
        answers = pool.labelling(config, job["empty_is_none"]).answers
        ids = sorted(answers)
        texts = pool.texts(ids, config)
        differing = disagreement(pool.votes(config, job["empty_is_none"]))
    vectors = _loaded(job["base"], job["max_tokens"]).encode(texts)
    targets = targets_of([answers[task] for task in ids], config.labels)
    found = doubted(ids, vectors, targets, config, job["seed"])
    facts = {"encoder": job["encoder"], "labels": len(ids)}
    write_review(folder, {**facts, **found, "people": differing})
    return facts


@lru_cache(maxsize=1)
def _loaded(source: str, max_tokens: int) -> TextEncoder:
    """The encoder of the last job, which the next one mostly wants again. Not to be tuned."""
    return TextEncoder(source, max_tokens)


JOBS: dict[str, Callable[[Json, Report], Json]] = {
    "base": add_base_encoder,
    "embed": embed_pool,
    "tune": tune_encoder,
    "review": review_labels,
}


def main() -> None:
    os.nice(NICENESS)
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="trainer: %(message)s")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Whatever a library prints must not end up between our lines.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(event: str, facts: dict[str, Any]) -> None:
        answers.write(json.dumps({"event": event, **facts}) + "\n")

    jobs: queue.Queue[Json] = queue.Queue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    while True:
        job = jobs.get()
        try:
            tell("done", JOBS[job["job"]](job, lambda facts: tell("progress", facts)))
        except Exception as error:  # the border of the process: every failure becomes an answer
            log.exception("job %s failed", job.get("job"))
            tell("failed", {"error": explained(error)})


def _read_jobs(jobs: "queue.Queue[Json]") -> None:
    for line in sys.stdin:
        jobs.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main()
