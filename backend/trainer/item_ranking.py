"""What the items of a dataset are ranked by: a version's head, and what is labelled so far."""

import numpy as np

from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.mirror.targets import given_labels, targets_of
from backend.trainer.messages import RankItems, SelectArrivals, Subject
from model.dataset.ranking import Ranking
from model.heads.head import Head
from model.snapshot import Policy, Snapshot
from model.storage.store import Store
from model.types import Floats


def policy_of(job: RankItems | SelectArrivals, size: int = 1) -> Policy:
    """How such a job chooses `size` items."""
    return Policy(job.strategy, size, job.audit_share, job.subject.seed, job.guard)


def ranking_of(
    subject: Subject, encoder: int | None, version: str, empty_is_none: bool, policy: Policy
) -> tuple[Ranking, int]:
    """A ranking by this encoder's vectors and this version's head, None and "" while there is
    nothing of the kind; and how many tasks have labels."""
    store, pool = Store(subject.folder), Pool(subject.folder / MIRROR)
    labelling = pool.labelling(subject.config, empty_is_none)
    head = store.load_version(version).head if version else None
    learnt = _learnt(store, labelling, subject.config, head, encoder)
    return Ranking(learnt, head, policy, pool.items.taken()), len(labelling.answers)


def _learnt(
    store: Store, labelling: Labelling, config: LabelConfig, head: Head | None, encoder: int | None
) -> Snapshot:
    """What is labelled, as far as there are vectors of it, with tickets as ids."""
    if head is None:
        asked = config.learnable(given_labels(labelling.answers.values()))
    else:
        asked = config.of_labels(head.labels)
    is_answered = np.isin(labelling.ids, list(labelling.answers))
    ids, keys = labelling.ids[is_answered], labelling.keys[is_answered]
    tickets = labelling.drawn_by[is_answered]
    vectors: Floats = np.zeros((0, 1), np.float16)
    if encoder is not None:
        known = store.vectors(encoder)
        rows = known.rows(keys)
        ids, tickets, rows = ids[rows >= 0], tickets[rows >= 0], rows[rows >= 0]
        vectors = known.take(rows)
    return Snapshot(
        ids=tickets[: len(vectors)],
        vectors=vectors,
        open=np.zeros(len(vectors), bool),
        answered=np.arange(len(vectors)),
        targets=targets_of(
            [labelling.answers[task] for task in ids[: len(vectors)].tolist()], asked.labels
        ),
        labels=asked.labels,
        kind=asked.kind,
        groups=asked.groups,
    )
