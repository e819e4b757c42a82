"""The job that finds out whether the encoder of an earlier project helps this one."""

import math
from contextlib import ExitStack, closing

import numpy as np

from backend.media.contents import TaskContents, opened_record, without_unreadable
from backend.media.reading import Reader
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.mirror.targets import given_labels
from backend.trainer.encoders import Beginning, add_encoder, beginning_of, begun, loaded
from backend.trainer.messages import Judge
from backend.trainer.report import Report
from backend.trainer.unit import unit_of
from backend.types import Json
from model.encoders.joint import JointEncoder
from model.measuring.review import FOLDS
from model.storage.earlier import Verdict, keep_verdict
from model.storage.store import Store
from model.types import EncoderSpec, Floats

LEAST_JUDGED = 2 * FOLDS
"""With fewer tasks that can be read, the earlier encoder stays."""


def judge_beginning(job: Judge, report: Report) -> Json:
    """Compare the encoder that the project began with and the pretrained one by the labels so far.

    Where the pretrained one says more of them, it takes the other's place: at once, or if the
    project has tuned encoders of its own, in the next deep round. Does nothing without an earlier
    encoder.
    """
    subject = job.subject
    config, spec, store = subject.config, subject.spec, Store(subject.folder)
    beginning = beginning_of(subject)
    if beginning.weights is None:
        return {}
    pretrained = loaded(spec, None)
    with closing(Pool(subject.folder / MIRROR)) as pool, ExitStack() as stack:
        record = opened_record(pool, config, subject.folder, report.working)
        reader = Reader(pretrained, spec, store, subject.access, record)
        stack.enter_context(closing(reader))
        answers = pool.labelling(config, job.empty_is_none).answers
        learnt = config if job.label_names else config.nameless()
        unit = unit_of(learnt.learnable(given_labels(answers.values())))
        labelled = np.array(sorted(answers), dtype=np.int64)
        ids = without_unreadable(pool, labelled, config, subject.seed)
        shown = TaskContents(pool, reader, ids, config)
        known = [answers[task] for task in shown.ids]

        def belief(encoder: JointEncoder) -> Floats:
            return unit.belief(encoder, shown, known, subject.seed, report)

        verdict = Verdict(job.labels, 0.0, 0.0, 0.0)
        if len(known) >= LEAST_JUDGED:
            verdict = compared(job.labels, belief(begun(spec, beginning)), belief(pretrained))
    if not verdict.stays and not _has_another(store, spec):
        # Before the verdict is kept: after a failure here the encoders are compared again.
        add_encoder(subject, Beginning(), pretrained)
    keep_verdict(store, verdict)
    return vars(verdict)


def compared(labels: int, earlier: Floats, pretrained: Floats) -> Verdict:
    """What the beliefs of heads on both encoders, of the same things in the same order (n,), say at
    so many labels. n is at least 1."""
    differences = earlier - pretrained
    error = differences.std() / math.sqrt(len(differences))
    return Verdict(labels, float(earlier.mean()), float(pretrained.mean()), float(error))


def _has_another(store: Store, spec: EncoderSpec) -> bool:
    """Whether there are tuned encoders, or the pretrained one is there already."""
    known = [meta for meta in store.encoders().values() if meta.spec.is_like(spec)]
    return any(meta.labels or not meta.earlier for meta in known)
