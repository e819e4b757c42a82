"""What a round learns from the labels of whole tasks, and what it says of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.interface.content import Parts
from backend.interface.preannotations import Needed, results_of
from backend.interface.questions import LabelConfig
from backend.mirror.pool import Labelling
from backend.mirror.targets import given_labels, targets_of
from backend.project.name_vectors import name_vectors, rows_of
from backend.types import Json
from model.choosing.audit import by_lot
from model.heads.head import Head
from model.learner import Outcome, fast_round
from model.snapshot import Policy, Snapshot
from model.storage.store import Store
from model.types import Bools, Ints

COMPARED_TASKS = 5000
"""Two versions are compared by their answers on at most so many tasks."""

Texts = Callable[[Ints], list[Parts]]
"""Ids of tasks -> what they show."""


@dataclass(frozen=True)
class Learnt:
    """What came out of a round, in rows of `ids` (n,).

    ranked: how many open tasks have vectors; sample (k,), answers (k, c): rows drawn by lot, and
    the labels that the head gives them (None without a head); results: what the tasks show, and the
    least probability to pre-annotate -> the pre-annotations of the rows to ask for.
    """

    ids: Ints
    ranked: int
    outcome: Outcome
    sample: Ints
    answers: Bools | None
    results: Callable[[Texts, Needed], list[list[Json]]]


def learn_labels(
    store: Store,
    labelling: Labelling,
    config: LabelConfig,
    encoder: int,
    policy: Policy,
    start: Head | None,
    fixed: Head | None,
) -> Learnt:
    """A round on the labels of whole tasks, and on what the labels are called."""
    named = rows_of(store, encoder, config).keys()
    asked = config.learnable(given_labels(labelling.answers.values()), named)
    if config.is_learnt_in_parts and fixed is not None:
        asked = config.of_labels(fixed.labels)
    snapshot = snapshot_of(store, labelling, asked, encoder)
    outcome = fast_round(snapshot, policy, start, fixed)
    # Mostly the same ones at each round.
    head, sample = outcome.head, by_lot(snapshot.ids, COMPARED_TASKS, 0)
    answers = None if head is None else head.answers(head.probs(snapshot.vectors[sample]))

    def results(_: Texts, needed: Needed) -> list[list[Json]]:
        if head is None:
            return [[] for _ in outcome.rows]
        return results_of(head.probs(snapshot.vectors[outcome.rows]), head, config, needed)

    ranked = int(snapshot.open.sum())
    return Learnt(snapshot.ids, ranked, outcome, sample, answers, results)


def snapshot_of(store: Store, labelling: Labelling, config: LabelConfig, encoder: int) -> Snapshot:
    """The part of the pool that has vectors, as arrays, and the names of the labels."""
    vectors = store.vectors(encoder)
    rows = vectors.rows(labelling.keys)
    seen = rows >= 0
    ids = labelling.ids[seen]
    answered = np.flatnonzero(np.isin(ids, list(labelling.answers)))
    answers = [labelling.answers[task] for task in ids[answered].tolist()]
    return Snapshot(
        ids=ids,
        vectors=vectors.view(rows[seen]),
        open=labelling.open[seen],
        answered=answered,
        targets=targets_of(answers, config.labels),
        labels=config.labels,
        kind=config.kind,
        groups=config.groups,
        names=name_vectors(store, encoder, config),
    )
