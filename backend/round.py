"""One fast round, top to bottom: what is labelled -> head -> shortlist -> version on disk."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backend.annotations import Json, Labels, result_of, shortlist_score
from backend.label_config import LabelConfig
from backend.pool import Labelling
from backend.settings import Settings
from model.audit import draw
from model.learner import fast_round, resolve_strategy
from model.snapshot import Policy, Snapshot
from model.store import Store, Version, version_key
from model.types import Bools, Floats, Ints
from model.vectors import content_key

COMPARED_TASKS = 5000
"""Two versions are compared by their answers on at most so many tasks."""


@dataclass(frozen=True)
class Round:
    """A finished fast round: the version, and the predictions to write into Label Studio.

    sample (n,), answers (n, c): ids of tasks drawn by lot, and the labels that the version gives
    them (None before any label), to compare versions with each other.
    """

    version: Version
    predictions: list[Json]
    sample: Ints
    answers: Bools | None


def play(
    store: Store,
    labelling: Labelling,
    config: LabelConfig,
    settings: Settings,
    encoder: int,
    size: int,
    taken: set[str],
    previous: Version | None,
    pinned: Version | None,
) -> Round | None:
    """Learn from what is labelled and rank what is open; None when no task can be read yet.

    When nothing is open the version has no predictions to write, but knows the last labels.

    `taken`: version names that Label Studio holds; the new name differs from all of them.
    `pinned`: a version of this encoder whose head ranks as it is; nothing is learnt then. Raises
    ValueError when it has other labels than the labelling config.
    """
    began = time.monotonic()
    asked = config.learnable(given(labelling.answers.values()))
    if config.is_learnt_in_parts and pinned is not None and pinned.head is not None:
        asked = config.of_labels(pinned.head.labels)
    snapshot = snapshot_of(store, labelling, asked, encoder)
    strategy = resolve_strategy(settings.strategy)
    policy = Policy(strategy, size, settings.audit_share, settings.seed, settings.guard)
    start = previous.head if previous is not None and previous.encoder == encoder else None
    outcome = fast_round(snapshot, policy, start, pinned.head if pinned else None)
    if len(snapshot.ids) == 0:
        return None
    version = Version(
        name=next_name(store, encoder, taken),
        encoder=encoder,
        head=outcome.head,
        training=pinned.training if pinned else snapshot.ids[outcome.training],
        validation=snapshot.ids[outcome.validation],
        shortlist=snapshot.ids[outcome.rows],
        meta={
            "created_at": time.time(),
            "strategy": strategy,
            "random_share": round(outcome.random_share, 3),
            "labels": len(labelling.answers),
            "pool": len(labelling.ids),
            "ranked": int(snapshot.open.sum()),
            "undecided": labelling.undecided,
            "empty": labelling.empty,
            "skipped": labelling.skipped,
            "validation": outcome.metrics,
            # What is learnt becomes more and more; what is asked stays the same.
            **({"label_set": label_set(config.labels)} if config.is_learnt_in_parts else {}),
            "seconds": round(time.monotonic() - began, 3),
            **({"head_of": pinned.name} if pinned else {}),
        },
    )
    store.save_version(version)
    predictions = predictions_of(version, snapshot.vectors[outcome.rows], config)
    sample = np.argsort(draw(snapshot.ids, 0))[:COMPARED_TASKS]
    answers = None
    if outcome.head is not None:
        answers = outcome.head.answers(outcome.head.probs(snapshot.vectors[sample]))
    return Round(version, predictions, snapshot.ids[sample], answers)


def label_set(labels: tuple[str, ...]) -> str:
    """A short name for these very labels."""
    return f"{len(labels)} labels, {content_key(json.dumps(labels)):x}"


def given(answers: Iterable[Labels]) -> set[str]:
    """All labels that somebody gave."""
    return {label for answer in answers for label in answer}


def snapshot_of(store: Store, labelling: Labelling, config: LabelConfig, encoder: int) -> Snapshot:
    """The part of the pool that has vectors, as arrays."""
    vectors = store.vectors(encoder)
    rows = vectors.rows(labelling.keys)
    seen = rows >= 0
    ids = labelling.ids[seen]
    answered = np.array(
        [place for place, task in enumerate(ids.tolist()) if task in labelling.answers],
        dtype=np.int64,
    )
    answers = [labelling.answers[task] for task in ids[answered].tolist()]
    return Snapshot(
        ids=ids,
        vectors=vectors.take(rows[seen]),
        open=labelling.open[seen],
        answered=answered,
        targets=targets_of(answers, config.labels),
        labels=config.labels,
        kind=config.kind,
        groups=config.groups,
    )


def targets_of(answers: list[Labels], labels: tuple[str, ...]) -> Floats:
    """Label sets as an array (len(answers), len(labels)) of 0 and 1. Other labels are left out."""
    column = {label: place for place, label in enumerate(labels)}
    targets = np.zeros((len(answers), len(labels)), dtype=np.float32)
    for row, answer in enumerate(answers):
        targets[row, [column[label] for label in answer if label in column]] = 1.0
    return targets


def predictions_of(version: Version, vectors: Floats, config: LabelConfig) -> list[Json]:
    """One prediction for each task of the shortlist, scored by its rank."""
    results: list[list[Json]] = [[] for _ in version.shortlist]
    head = version.head
    if head is not None:
        results = [result_of(row, head, config) for row in head.probs(vectors).tolist()]
    size = len(version.shortlist)
    return [
        {
            "task": task,
            "result": result,
            "score": shortlist_score(rank, size),
            "model_version": version.name,
        }
        for rank, (task, result) in enumerate(zip(version.shortlist.tolist(), results, strict=True))
    ]


def next_name(store: Store, encoder: int, taken: set[str]) -> str:
    """The next version of this encoder. A name is never used twice, not even when our folder was
    lost while Label Studio kept its predictions: two sets under one name would mix their scores."""
    refits = [0]
    for name in {*store.version_names(), *taken}:
        try:
            major, refit = version_key(name)
        except ValueError:
            continue  # somebody else's predictions
        if major == encoder:
            refits.append(refit)
    return f"{encoder}.{max(refits) + 1}"
