"""Labels of whole tasks: what a round learns from them, and what the model says of a task."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from backend.interface.content import Parts, key_of
from backend.interface.preannotations import Needed, confidence_of, results_of
from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.targets import given_labels, targets_of
from backend.project.name_vectors import name_vectors, rows_of
from backend.project.unit import Encode, Learnt, Said, Setup, keep, to_encode
from backend.project.versions import least_confidence
from backend.project.weak_sources import labels_given, of_asked, sources_of
from backend.types import Json
from model.choosing.audit import by_lot
from model.heads.head import Head
from model.heads.sources import Source
from model.learner import fast_round
from model.snapshot import Policy, Snapshot, rows_in
from model.storage.store import Store, Version
from model.types import Floats, Ints, is_of_text

COMPARED_TASKS = 5000
"""Two versions are compared by their answers on at most this many tasks."""


class WholeTasks:
    """See backend.project.unit.Unit."""

    def __init__(self, store: Store, config: LabelConfig) -> None:
        self._store = store
        self._config = config

    def learn(self, labelling: Labelling, setup: Setup, policy: Policy) -> Learnt:
        config, fixed = self._config, setup.fixed
        rows = self._store.vectors(setup.encoder).rows(labelling.keys)
        has_vector = rows >= 0
        sources: tuple[Source, ...] = ()
        if not config.has_list:  # what others say of lists is not understood
            sources = sources_of(labelling, labelling.ids[has_vector])
            sources = (*sources, *setup.sources(labelling.keys[has_vector], config))
        given = given_labels(labelling.answers.values()) | labels_given(sources, config)
        asked = config.learnable(given, rows_of(self._store, setup.encoder, config).keys())
        if config.is_learnt_in_parts and fixed is not None:
            asked = config.of_labels(fixed.labels)
        snapshot = snapshot_of(self._store, labelling, asked, setup.encoder, rows)
        snapshot = replace(snapshot, sources=of_asked(sources, config, asked))
        outcome = fast_round(snapshot, policy, setup.start, fixed)
        # Mostly the same tasks at each round.
        head, sample = outcome.head, by_lot(snapshot.ids, COMPARED_TASKS, 0)
        answers = None if head is None else head.answers(head.probs(snapshot.vectors[sample]))

        def results(needed: Needed) -> list[list[Json]]:
            if head is None:
                return [[] for _ in outcome.rows]
            shown = setup.texts(snapshot.ids[outcome.rows]) if config.reads_text else ()
            probs = head.probs(snapshot.vectors[outcome.rows])
            return results_of(probs, head, config, needed, shown)

        ranked = int(snapshot.open.sum())
        return Learnt(snapshot.ids, ranked, outcome, sample, answers, results)

    def predict(
        self, version: Version, head: Head, shown: Mapping[int, Parts], encode: Encode | None
    ) -> dict[int, Said]:
        rows, vectors = self._vectors(version.encoder, list(shown.values()), encode)
        places = [list(shown)[row] for row in rows]
        probs = head.probs(vectors)
        there = [shown[place] for place in places] if self._config.reads_text else ()
        results = results_of(probs, head, self._config, partial(least_confidence, version), there)
        confidence = confidence_of(probs, head, self._config).tolist()
        return dict(zip(places, zip(results, confidence, strict=True), strict=True))

    def _vectors(
        self, encoder: int, shown: Sequence[Parts], encode: Encode | None
    ) -> tuple[Ints, Floats]:
        """The rows of `shown` that have a vector, and these: from the store, and of texts where one
        is missing a few encoded now. Not pictures and clips: nobody should wait for their download,
        and the trainer encodes them soon."""
        keys = np.array([key_of(parts) for parts in shown], dtype=np.int64)
        vectors = self._store.vectors(encoder)
        rows = vectors.rows(keys)
        known, missing = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
        found = np.zeros((len(shown), vectors.dimension), dtype=np.float16)
        found[known] = vectors.take(rows[known])
        new = to_encode(missing, encode if is_of_text(self._config.layout) else None)
        if encode is not None and len(new):
            found[new] = encode([shown[row] for row in new.tolist()])
            keep(vectors, keys[new], found[new])
        there = np.sort(np.concatenate([known, new]))
        there = there[np.isfinite(found[there]).all(axis=1)]  # of others nothing can be said
        return there, found[there]


def snapshot_of(
    store: Store, labelling: Labelling, config: LabelConfig, encoder: int, rows: Ints
) -> Snapshot:
    """The part of the pool that has vectors, as arrays, and the names of the labels. rows (n,): of
    the labelling's tasks in the store of vectors, -1 where there is none."""
    vectors, has_vector = store.vectors(encoder), rows >= 0
    groups = labelling.copied.grouping.groups
    ids = labelling.ids[has_vector]
    answered = np.flatnonzero(np.isin(ids, list(labelling.answers)))
    answers = [labelling.answers[task] for task in ids[answered].tolist()]
    return Snapshot(
        ids=ids,
        vectors=vectors.view(rows[has_vector]),
        open=labelling.open[has_vector],
        answered=answered,
        targets=targets_of(answers, config.labels),
        labels=config.labels,
        kind=config.kind,
        groups=config.groups,
        names=name_vectors(store, encoder, config),
        certified=np.isin(ids, labelling.certified) if len(labelling.certified) else None,
        tickets=None if labelling.tickets is None else labelling.tickets[has_vector],
        picked=rows_in(ids, labelling.picked) if len(labelling.picked) else None,
        copies=groups[has_vector] if len(groups) and (groups >= 0).any() else None,
    )
