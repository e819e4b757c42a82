"""The job that looks for labels to check after a deep round."""

from contextlib import ExitStack, closing

import numpy as np

from backend.dataset.left import items_left
from backend.media.contents import TaskContents, opened_record, without_unreadable
from backend.media.reading import Reader
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.mirror.review import write
from backend.mirror.targets import given_labels
from backend.mirror.weighing import FACT as ANNOTATORS
from backend.trainer.disagreement import disagreement
from backend.trainer.encoders import loaded
from backend.trainer.messages import Review
from backend.trainer.report import Report
from backend.trainer.told import Reviewed
from backend.trainer.unit import unit_of
from backend.types import Json
from model.storage.store import Store


def review_labels(job: Review, report: Report) -> Json:
    """Find the labels that the model doubts, and where people differ, for a second look."""
    subject = job.subject
    config, spec = subject.config, subject.spec
    encoder, store = loaded(spec, None), Store(subject.folder)
    with closing(Pool(subject.folder / MIRROR)) as pool, ExitStack() as stack:
        record = opened_record(pool, config, subject.folder, report.working)
        reader = Reader(encoder, spec, store, subject.access, record)
        stack.enter_context(closing(reader))
        labelling = pool.labelling(config, job.empty_is_none)
        answers, votes = labelling.answers, pool.votes(config, job.empty_is_none)
        unit = unit_of(config.learnable(given_labels(answers.values())))
        labelled = np.array(sorted(answers), dtype=np.int64)
        readable = without_unreadable(pool, labelled, config, subject.seed)
        ids = unit.reviewed(readable, subject.seed)
        opened = without_unreadable(pool, labelling.ids[labelling.open], config, subject.seed)
        compared = unit.compared(opened, len(ids), subject.seed)
        shown = TaskContents(pool, reader, np.concatenate([ids, compared]), config)
        known = [answers[task] for task in shown.ids if task in answers]
        more = items_left(subject.folder, pool) or 0
        reviewed = Reviewed(shown, known, votes, len(opened) + more)
        found = unit.doubts(encoder, reviewed, subject.seed, report)
        pool.remember(ANNOTATORS, found.pop("known", {}))
        if pool.labelling(config, job.empty_is_none).answers != answers:
            pool.learn_again()
        given = {task: one.answers for task, one in votes.items()}
        differing = disagreement(given, unit_of(config))
    facts = {"encoder": job.encoder, "labels": len(known)}
    write(subject.folder, {**facts, **found, "people": differing})
    return facts
