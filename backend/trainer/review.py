"""The job that looks for labels to check after a deep round."""

from contextlib import closing
from typing import Any

import numpy as np

from backend.interface.parse import parse
from backend.interface.questions import spans_in
from backend.media.contents import TaskContents
from backend.media.reading import Reader
from backend.mirror.pool import Pool
from backend.mirror.review import write
from backend.mirror.targets import given_labels, targets_of
from backend.trainer.doubts import disagreement, doubted, doubted_spans
from backend.trainer.encoders import Report, encoded, loaded
from backend.trainer.messages import Review
from backend.types import Json
from model.choosing.audit import by_lot
from model.storage.store import Store

REVIEWED_TEXTS = 2000
"""Marked texts that are reviewed at most, drawn at random: their tokens stand in memory."""


def review_labels(job: Review, report: Report) -> Json:
    """Find the labels that the model doubts, and where people differ, for a second look."""
    subject = job.subject
    config, spec = parse(subject.interface, subject.ignored), subject.spec
    encoder, store = loaded(spec, None), Store(subject.folder)
    with (
        closing(Pool(subject.folder / "pool.sqlite")) as pool,
        closing(Reader(encoder, spec, store, subject.access)) as reader,
    ):
        answers = pool.labelling(config, job.empty_is_none).answers
        asked = config.learnable(given_labels(answers.values()))
        ids = np.array(sorted(answers), dtype=np.int64)
        if asked.kind == "spans":
            ids = np.sort(ids[by_lot(ids, REVIEWED_TEXTS, subject.seed)])
        shown = TaskContents(pool, reader, ids, config)
        given_to = [answers[task] for task in shown.ids]
        if asked.kind == "spans":
            texts: list[Any] = [example[0] for example in shown]
            tokens: Any = encoder.encode(shown)
            spans = [spans_in(answer) for answer in given_to]
            found = doubted_spans(shown.ids, texts, tokens, spans, asked.labels, subject.seed)
        else:
            targets = targets_of(given_to, asked.labels)
            found = doubted(shown.ids, encoded(encoder, shown), targets, asked, subject.seed)
        differing = disagreement(pool.votes(config, job.empty_is_none), config)
    facts = {"encoder": job.encoder, "labels": len(ids)}
    write(subject.folder, {**facts, **found, "people": differing})
    return facts
