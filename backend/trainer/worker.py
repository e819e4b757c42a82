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
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import explained
from backend.interface.content import key_of
from backend.interface.names import keys_of, names_of
from backend.interface.parse import parse
from backend.interface.questions import Answer, LabelConfig, spans_in
from backend.media.access import Access
from backend.media.reading import Reader
from backend.media.shown import Shown, readable
from backend.mirror.pool import Pool
from backend.project.whole_tasks import given, targets_of
from backend.trainer.review import disagreement, doubted, doubted_spans
from backend.trainer.review import write as write_review
from backend.types import Json
from model.choosing.audit import ENCODING_LOT, SELF_LOT, by_lot, draw, in_reserve
from model.choosing.choice import SCORED_ROWS
from model.encoders.finetune import Examples, Step
from model.encoders.joint import JointEncoder
from model.encoders.selftraining import POOL_SAMPLE, Unlabelled, deep_round
from model.spans.tags import tags_of
from model.storage.store import HERE, EncoderMeta, EncoderSpec, Store, write_encoder_meta
from model.tracking import Tracker
from model.types import Floats, Ints, Layout, is_of_text

log = logging.getLogger(__name__)

NICENESS = 10
"""Requests and rounds go first; with 19 a busy machine would starve the training."""
TEXT_CHUNKS, MEDIA_CHUNKS = (64, 512), (16, 64)
"""Tasks encoded between two reports, the first time and at most. The first chunk is small, for
annotators wait for an order; pictures stand in memory meanwhile."""

TURN_SECONDS = 60.0
"""Encoding stops after so long, so that other projects have their turn; the rest is asked anew."""

REVIEWED_TEXTS = 2000
"""Marked texts that are reviewed at most, drawn by lot: their tokens stand in memory."""

Report = Callable[[Json], None]


def add_base_encoder(job: Json, report: Report) -> Json:
    """Make the encoder named in the settings known to the store, as it comes."""
    store, spec = Store(Path(job["folder"])), _spec(job)
    meta = _meta(spec, _loaded(spec, None))
    number = store.next_encoder()
    with store.new_encoder(number) as folder:
        write_encoder_meta(folder, meta)
    return {"encoder": number}


def embed_pool(job: Json, report: Report) -> Json:
    """Encode everything in the pool that has no vector by this encoder yet.

    What the labels are called comes first, for without labels the first order is made from that;
    then what is labelled, and the rest in an order drawn by lot, so that it is always a fair sample
    of the pool: with SCORED_ROWS of it an encoder is ready to rank. Stops after TURN_SECONDS.
    """
    until = time.monotonic() + TURN_SECONDS
    folder, config = Path(job["folder"]), parse(job["config"], job["ignored"])
    number = job["encoder"]
    store, pool = Store(folder), Pool(folder / "pool.sqlite")
    spec = store.encoders()[number].spec
    encoder = _loaded(spec, store.tuned_folder(number))
    vectors = store.encoded(number)
    if job["label_names"]:
        _embed_names(encoder, vectors, config)
    ids, keys = pool.keys(config, job["seed"])
    missing = np.flatnonzero(vectors.rows(keys) < 0)
    is_labelled = np.isin(ids[missing], pool.annotated())
    lots = draw(ids[missing], job["seed"] + ENCODING_LOT)
    missing = missing[np.argsort(np.where(is_labelled, -1.0, lots))]
    size, largest = _chunks(config.layout)
    done = 0
    with closing(Reader(encoder, spec, store, Access(**job["access"]))) as reader:
        while done < len(missing) and (done == 0 or time.monotonic() < until):
            chunk = ids[missing[done : done + size]]
            read = list(readable(pool, reader, chunk, config))
            # Of what was read just now: the interface, and with it the keys, may be others now.
            found = np.array([key_of(parts) for _, parts, _ in read], dtype=np.int64)
            encoded: Any = encoder.encode([example for _, _, example in read])
            vectors.append(found, encoded)
            done, size = min(done + size, len(missing)), min(2 * size, largest)
            report({"stage": "embed", "share": 1.0 - (len(missing) - done) / len(ids)})
    left = len(missing) - done
    if left == 0 or len(ids) - left >= SCORED_ROWS:
        store.mark_ready(number)
    return {"encoder": number, "tasks": done, "left": left}


def _embed_names(encoder: JointEncoder, vectors: Any, config: LabelConfig) -> None:
    """Encode what the labels are called, as far as it has no vector yet."""
    names = list(names_of(config).values())
    keys = keys_of(names)
    missing = np.flatnonzero(vectors.rows(keys) < 0) if names else keys
    _, size = TEXT_CHUNKS
    for start in range(0, len(missing), size):
        rows = missing[start : start + size]
        vectors.append(keys[rows], encoder.encode([names[row] for row in rows]))


def tune_encoder(job: Json, report: Report) -> Json:
    """Fine-tune a fresh copy of the base encoder on all labels, as a new encoder of the store."""
    folder, config, spec = Path(job["folder"]), parse(job["config"], job["ignored"]), _spec(job)
    store, pool = Store(folder), Pool(folder / "pool.sqlite")
    encoder = JointEncoder(spec)
    reader = Reader(encoder, spec, store, Access(**job["access"]))
    answers = pool.labelling(config, job["empty_is_none"]).answers
    asked = config.learnable(given(answers.values()))
    ids = np.array(sorted(answers), dtype=np.int64)
    held_out = in_reserve(ids, job["audit_share"], job["seed"])

    def labelled(chosen: Ints) -> Examples:
        shown = Shown(pool, reader, chosen, config)
        given_to = [answers[task] for task in shown.ids]
        if asked.kind == "spans":
            return _span_examples(encoder, shown, given_to, asked.labels)
        return Examples(shown, targets_of(given_to, asked.labels), shown.lengths)

    # Numbered now: other encoders may have come while this job waited for its turn.
    number = store.next_encoder()
    found: Json = {}
    with closing(reader), closing(Tracker(folder / "tensorboard" / f"encoder-{number}")) as tracker:

        def observe(step: Step) -> None:
            tracker.step(len(ids), step)
            report({"stage": "tune", "share": step.number / step.total})

        training, validation = labelled(ids[~held_out]), labelled(ids[held_out])
        encoder.learn_clips(training.items, training.targets)
        if encoder.is_tunable:
            kinds = asked.groups or asked.kind
            unlabelled = Unlabelled([])
            if config.layout == ("text",):
                called = names_of(asked) if job["label_names"] else {}
                texts = Shown(pool, reader, _open_sample(pool, config, job), config)
                unlabelled = Unlabelled(texts, [called.get(label) for label in asked.labels])
            result = deep_round(
                encoder, training, validation, unlabelled, kinds, seed=job["seed"], observe=observe
            )
            found = asdict(result)
    meta = replace(
        _meta(spec, encoder), source=HERE, labels=len(ids), asked=job["asked"], report=found
    )
    with store.new_encoder(number) as aside:
        encoder.save(aside)
        write_encoder_meta(aside, meta)
    return {"encoder": number, "labels": len(ids), **found}


def _open_sample(pool: Pool, config: LabelConfig, job: Json) -> Ints:
    """Tasks without annotations for self-training, by lot; none of the audit reserve, which is to
    measure what is learnt."""
    ids, _ = pool.keys(config, job["seed"])
    is_audit = in_reserve(ids, job["audit_share"], job["seed"])
    ids = ids[~is_audit & ~np.isin(ids, pool.annotated())]
    return ids[by_lot(ids, POOL_SAMPLE, job["seed"] + SELF_LOT)]


def review_labels(job: Json, report: Report) -> Json:
    """Find the labels that the model doubts, and where people differ, for a second look."""
    folder, config, spec = Path(job["folder"]), parse(job["config"], job["ignored"]), _spec(job)
    encoder, store = _loaded(spec, None), Store(folder)
    with (
        closing(Pool(folder / "pool.sqlite")) as pool,
        closing(Reader(encoder, spec, store, Access(**job["access"]))) as reader,
    ):
        answers = pool.labelling(config, job["empty_is_none"]).answers
        asked = config.learnable(given(answers.values()))
        ids = np.array(sorted(answers), dtype=np.int64)
        if asked.kind == "spans":
            ids = np.sort(ids[by_lot(ids, REVIEWED_TEXTS, job["seed"])])
        shown = Shown(pool, reader, ids, config)
        given_to = [answers[task] for task in shown.ids]
        if asked.kind == "spans":
            texts: list[Any] = [example[0] for example in shown]
            tokens: Any = encoder.encode(shown)
            spans = [spans_in(answer) for answer in given_to]
            found = doubted_spans(shown.ids, texts, tokens, spans, asked.labels, job["seed"])
        else:
            targets = targets_of(given_to, asked.labels)
            found = doubted(shown.ids, _encoded(encoder, shown), targets, asked, job["seed"])
        differing = disagreement(pool.votes(config, job["empty_is_none"]), config)
    facts = {"encoder": job["encoder"], "labels": len(ids)}
    write_review(folder, {**facts, **found, "people": differing})
    return facts


def _span_examples(
    encoder: JointEncoder, shown: Shown, answers: Sequence[Answer], labels: tuple[str, ...]
) -> Examples:
    """Texts with the tags of their tokens, to fine-tune on."""
    places = encoder.token_places(shown[:])
    tags: list[Ints] = [
        tags_of(spans_in(answer), where, labels)
        for answer, where in zip(answers, places, strict=True)
    ]
    bounds = np.cumsum([0, *map(len, tags)])
    wanted = np.concatenate([np.zeros(0, np.int64), *tags])
    targets = np.eye(2 * len(labels) + 1, dtype=np.float32)[wanted]
    return Examples(shown, targets, shown.lengths, bounds)


def _chunks(layout: Layout) -> tuple[int, int]:
    return TEXT_CHUNKS if is_of_text(layout) else MEDIA_CHUNKS


def _encoded(encoder: JointEncoder, shown: Shown) -> Floats:
    _, size = _chunks(encoder.layout)
    chunks = [encoder.encode(shown[start : start + size]) for start in range(0, len(shown), size)]
    return np.concatenate([np.zeros((0, encoder.dimension), np.float32), *chunks])


def _spec(job: Json) -> EncoderSpec:
    return EncoderSpec(**{**job["spec"], "layout": tuple(job["spec"]["layout"])})


def _meta(spec: EncoderSpec, encoder: JointEncoder) -> EncoderMeta:
    return EncoderMeta(
        source=spec.text or spec.image or spec.audio,
        base=spec.text,
        image_base=spec.image,
        audio_base=spec.audio,
        max_tokens=spec.max_tokens,
        dimension=encoder.dimension,
        layout=spec.layout,
    )


@lru_cache(maxsize=1)
def _loaded(spec: EncoderSpec, tuned: Path | None) -> JointEncoder:
    """The encoder of the last job, which the next one mostly wants again. Not to be tuned."""
    return JointEncoder(spec, tuned)


JOBS: dict[str, Callable[[Json, Report], Json]] = {
    "base": add_base_encoder,
    "embed": embed_pool,
    "tune": tune_encoder,
    "review": review_labels,
}


def main() -> None:
    os.nice(NICENESS)
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="trainer: %(message)s")
    logging.getLogger("PIL").setLevel(logging.INFO)  # it tells of each piece of each picture
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
