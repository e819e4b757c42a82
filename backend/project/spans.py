"""Labelled spans of texts and sounds: what a round learns, and what the model marks itself."""

from collections.abc import Mapping, Sequence

import numpy as np

from backend.interface.content import Parts, key_of
from backend.interface.preannotations import Needed, regions_of
from backend.interface.questions import LabelConfig, spans_in
from backend.mirror.labelling import Labelling
from backend.project.unit import Encode, Learnt, Said, Setup, keep, to_encode
from backend.types import Json
from model.choosing.audit import by_lot
from model.heads.head import Head
from model.snapshot import Policy, rows_in
from model.spans.learner import SpanSnapshot, predicted_in, predicted_spans, span_round
from model.spans.pieces import rules_of
from model.spans.tags import Span, Tokens, counts_of
from model.storage.store import Store, Version
from model.types import Ints, is_of_text

COMPARED_TEXTS = 500
"""Two versions are compared by what they find in at most this many texts."""


class Spans:
    """See backend.project.unit.Unit."""

    def __init__(self, store: Store, config: LabelConfig) -> None:
        self._store = store
        self._config = config

    def learn(self, labelling: Labelling, setup: Setup, policy: Policy) -> Learnt:
        snapshot = snapshot_of(self._store, labelling, self._config, setup.encoder)
        outcome = span_round(snapshot, policy, setup.start, setup.fixed)
        ids, labels = snapshot.ids, self._config.labels
        head, sample, answers = outcome.head, by_lot(ids, COMPARED_TEXTS, 0), None
        if head is not None:
            marked = predicted_in(head, snapshot, sample)
            answers = counts_of([[span for span, _ in spans] for spans in marked], labels) > 0

        def results(_: Needed) -> list[list[Json]]:
            if head is None:
                return [[] for _ in outcome.rows]
            shown = setup.texts(ids[outcome.rows])
            return self._regions(predicted_in(head, snapshot, outcome.rows), shown)

        return Learnt(ids, int(snapshot.open.sum()), outcome, sample, answers, results)

    def predict(
        self, version: Version, head: Head, shown: Mapping[int, Parts], encode: Encode | None
    ) -> dict[int, Said]:
        """Sure as of the least certain token."""
        if is_of_text(self._config.layout):
            return self._predicted(version, head, shown, encode)
        # Of sounds only some fit into memory at once, and reading one takes too long for a request.
        said: dict[int, Said] = {}
        places, size = list(shown), rules_of(self._config.layout).chunk
        for start in range(0, len(places), size):
            some = {place: shown[place] for place in places[start : start + size]}
            said |= self._predicted(version, head, some, None)
        return said

    def _predicted(
        self, version: Version, head: Head, shown: Mapping[int, Parts], encode: Encode | None
    ) -> dict[int, Said]:
        rows, tokens = self._tokens(version.encoder, list(shown.values()), encode)
        if len(rows) == 0:
            return {}
        places = [list(shown)[row] for row in rows]
        rules = rules_of(self._config.layout)
        surest = rules.sure(head.probs(rules.read(tokens).states)).max(axis=1)
        confidence = np.minimum.reduceat(surest, tokens.bounds[:-1]).tolist()
        marked = predicted_spans(head, tokens, self._config.labels, rules)
        results = self._regions(marked, [shown[place] for place in places])
        return dict(zip(places, zip(results, confidence, strict=True), strict=True))

    def _regions(
        self, marked: Sequence[Sequence[tuple[Span, float]]], shown: Sequence[Parts]
    ) -> list[list[Json]]:
        return [
            regions_of(spans, parts[0] or "", self._config)
            for spans, parts in zip(marked, shown, strict=True)
        ]

    def _tokens(
        self, encoder: int, shown: Sequence[Parts], encode: Encode | None
    ) -> tuple[Ints, Tokens]:
        """The rows of `shown` whose tokens are known, and these; a few are encoded now."""
        keys = np.array([key_of(parts) for parts in shown], dtype=np.int64)
        known = self._store.tokens(encoder)
        missing = np.flatnonzero(known.rows(keys) < 0)
        new = to_encode(missing, encode)
        if encode is not None and len(new):
            found: Tokens = encode([shown[row] for row in new.tolist()])
            if not keep(known, keys[new], found):
                whole = np.flatnonzero(
                    [np.isfinite(found.states_of(row)).all() for row in range(len(found))]
                )
                return new[whole], found.take(whole)
        there = np.flatnonzero(known.rows(keys) >= 0)
        return there, known.take(known.rows(keys[there]))


def snapshot_of(
    store: Store, labelling: Labelling, config: LabelConfig, encoder: int
) -> SpanSnapshot:
    """The part of the pool whose tokens are known."""
    tokens = store.tokens(encoder)
    rows = tokens.rows(labelling.keys)
    has_tokens = rows >= 0
    ids, rows = labelling.ids[has_tokens], rows[has_tokens]
    answered = [place for place, task in enumerate(ids.tolist()) if task in labelling.answers]

    def take(places: Ints) -> Tokens:
        return tokens.take(rows[places])

    return SpanSnapshot(
        ids=ids,
        take=take,
        open=labelling.open[has_tokens],
        answered=np.array(answered, dtype=np.int64),
        spans=[spans_in(labelling.answers[int(ids[place])]) for place in answered],
        labels=config.labels,
        tickets=None if labelling.tickets is None else labelling.tickets[has_tokens],
        picked=rows_in(ids, labelling.picked) if len(labelling.picked) else None,
        rules=rules_of(config.layout),
    )
