"""The job that says what the model can label by itself of a project's dataset."""

import time
from dataclasses import replace

from backend.dataset.coverage import Coverage, write_coverage
from backend.dataset.whole import whole_of
from backend.interface.questions import LabelConfig
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.trainer.item_work import record_of
from backend.trainer.messages import CoverItems
from backend.trainer.report import Report
from backend.types import Json
from model.finishing.goal import Goal
from model.finishing.outlook import audited_of, outlook_of
from model.snapshot import Policy
from model.storage.store import Store


def cover_items(job: CoverItems, report: Report) -> Json:
    """Compute the share of the dataset that a version can label at the goal's precision, and the
    whole trade, from the audit labels; other work is let in between two parts."""
    subject, store = job.subject, Store(job.subject.folder)
    record, version = record_of(subject), store.load_version(job.version)
    head, config = version.head, subject.config
    if head is None:
        return {"version": version.name, "coverage": None}
    asked = config.of_labels(head.labels) if config.is_learnt_in_parts else config
    pool = Pool(subject.folder / MIRROR)
    labelling = pool.labelling(config, job.empty_is_none)
    seen = 0

    def on_part() -> None:
        nonlocal seen
        seen += 1
        report.advanced(min(1.0, seen / record.part_count))

    whole = whole_of(
        store, pool, labelling, asked, record=record, encoder=version.encoder, on_part=on_part
    )
    open_rows = replace(whole.snapshot, open=whole.snapshot.open | whole.by_model)
    policy = Policy("random", 1, job.audit_share, subject.seed)
    known = audited_of(open_rows, head, policy)
    outlook = outlook_of(head, known, Goal(job.precision, job.confidence))
    told = outlook.to_json()
    found = Coverage(
        version=version.name,
        labels=len(labelling.answers),
        audits=len(known.audit_lots),
        items=int(open_rows.open.sum()),
        left_out=whole.unencoded + whole.unreadable,
        outlook={**told, "promises": [_named(one, asked) for one in told["promises"]]},
        made_at=time.time(),
    )
    write_coverage(subject.folder, found)
    return {"version": found.version, "coverage": outlook.split.coverage}


def _named(promise: Json, config: LabelConfig) -> Json:
    return {**promise, "question": config.questions[promise["question"]].from_name}
