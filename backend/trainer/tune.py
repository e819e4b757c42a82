"""The job that fine-tunes an encoder on all labels: a deep round."""

from contextlib import closing
from dataclasses import asdict, replace

import numpy as np

from backend.interface.names import names_of
from backend.interface.questions import LabelConfig
from backend.media.contents import TaskContents, opened_record, without_unreadable
from backend.media.reading import Reader
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.mirror.targets import given_labels
from backend.trainer.encoders import beginning_of, begun, meta_of
from backend.trainer.messages import Tune
from backend.trainer.report import Report
from backend.trainer.unit import unit_of
from backend.types import Json
from model.choosing.audit import SELF_LOT, by_lot, in_reserve
from model.encoders.finetune import Examples, Step
from model.encoders.selftraining import POOL_SAMPLE, Unlabelled, deep_round
from model.storage.store import HERE, Store, write_encoder_meta
from model.tracking import Tracker
from model.types import Ints


def tune_encoder(job: Tune, report: Report) -> Json:
    """Fine-tune a fresh copy of the encoder that the project began with on all labels, as a new
    encoder of the store."""
    subject, folder = job.subject, job.subject.folder
    if subject.config.kind == "boxes":
        from backend.trainer.detector import tune_on_boxes  # noqa: PLC0415 (most have no boxes)

        return tune_on_boxes(job, report)
    config, spec = subject.config, subject.spec
    store, pool = Store(folder), Pool(folder / MIRROR)
    beginning = beginning_of(subject)
    encoder = begun(spec, beginning)
    record = opened_record(pool, config, folder, report.working)
    reader = Reader(encoder, spec, store, subject.access, record)
    answers = pool.labelling(config, job.empty_is_none).answers
    asked = config.learnable(given_labels(answers.values()))
    labelled_ids = np.array(sorted(answers), dtype=np.int64)
    ids = without_unreadable(pool, labelled_ids, config, subject.seed)
    # What was asked for to prove something is easier than the rest, and only measures.
    ids = ids[~np.isin(ids, pool.certified())]
    held_out = in_reserve(pool.items.tickets(ids), job.audit_share, subject.seed)

    def labelled(chosen: Ints) -> Examples:
        shown = TaskContents(pool, reader, chosen, config)
        return unit_of(asked).examples(encoder, shown, [answers[task] for task in shown.ids])

    # Numbered now: other encoders may have come while this job waited for its turn.
    number = store.next_encoder()
    found: Json = {}
    with closing(reader), closing(Tracker(folder / "tensorboard" / f"encoder-{number}")) as tracker:

        def observe(step: Step) -> None:
            tracker.step(len(answers), step)
            report.advanced(step.number / step.total)

        training, validation = labelled(ids[~held_out]), labelled(ids[held_out])
        encoder.learn_clips(training.items, training.targets)
        if encoder.is_tunable:
            kinds = asked.groups or asked.kind
            unlabelled = Unlabelled([])
            if config.layout == ("text",):
                called = names_of(asked) if job.label_names else {}
                texts = TaskContents(pool, reader, _open_sample(pool, config, job), config)
                unlabelled = Unlabelled(texts, [called.get(label) for label in asked.labels])
            seed = subject.seed
            result = deep_round(
                encoder, training, validation, unlabelled, kinds, seed=seed, observe=observe
            )
            found = asdict(result)
            encoder.learn_windows(training.items, training.targets)
    meta = replace(
        meta_of(spec, encoder),
        source=HERE,
        labels=len(answers),
        asked=job.asked,
        earlier=beginning.whose,
        report=found,
    )
    with store.new_encoder(number) as aside:
        encoder.save(aside)
        write_encoder_meta(aside, meta)
    return {"encoder": number, "labels": len(answers), **found}


def _open_sample(pool: Pool, config: LabelConfig, job: Tune) -> Ints:
    """Tasks without annotations for self-training, at random; none of the audit reserve, which is
    to measure what is learnt."""
    seed = job.subject.seed
    ids, _ = pool.keys(config, seed)
    is_audit = in_reserve(pool.items.tickets(ids), job.audit_share, seed)
    is_audit |= np.isin(ids, pool.certified())
    ids = ids[~is_audit & ~np.isin(ids, pool.annotated())]
    return ids[by_lot(ids, POOL_SAMPLE, seed + SELF_LOT)]
