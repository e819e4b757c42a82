"""What a round learns from the spans that people marked in texts, and what it marks itself."""

import numpy as np

from backend.interface.preannotations import Needed, regions_of
from backend.interface.questions import LabelConfig, spans_in
from backend.mirror.pool import Labelling
from backend.project.whole_tasks import Learnt, Texts
from backend.types import Json
from model.choosing.audit import by_lot
from model.heads.head import Head
from model.snapshot import Policy
from model.spans.learner import SpanSnapshot, predicted_spans, span_round
from model.spans.tags import counts_of
from model.storage.store import Store

COMPARED_TEXTS = 500
"""Two versions are compared by what they find in at most so many texts."""


def learn_spans(
    store: Store,
    labelling: Labelling,
    config: LabelConfig,
    encoder: int,
    policy: Policy,
    start: Head | None,
    fixed: Head | None,
) -> Learnt:
    """A round on the spans of texts."""
    tokens = store.tokens(encoder)
    rows = tokens.rows(labelling.keys)
    seen = rows >= 0
    ids, rows, is_open = labelling.ids[seen], rows[seen], labelling.open[seen]
    answered = [place for place, task in enumerate(ids.tolist()) if task in labelling.answers]
    snapshot = SpanSnapshot(
        ids=ids,
        take=lambda places: tokens.take(rows[places]),
        open=is_open,
        answered=np.array(answered, dtype=np.int64),
        spans=[spans_in(labelling.answers[int(ids[place])]) for place in answered],
        labels=config.labels,
    )
    outcome = span_round(snapshot, policy, start, fixed)
    head, sample, answers = outcome.head, by_lot(ids, COMPARED_TEXTS, 0), None
    if head is not None:
        said = predicted_spans(head, snapshot.take(sample), config.labels)
        answers = counts_of([[span for span, _ in one] for one in said], config.labels) > 0

    def results(texts: Texts, _: Needed) -> list[list[Json]]:
        if head is None:
            return [[] for _ in outcome.rows]
        said = predicted_spans(head, snapshot.take(outcome.rows), config.labels)
        shown = [parts[0] or "" for parts in texts(ids[outcome.rows])]
        return [regions_of(one, text, config) for one, text in zip(said, shown, strict=True)]

    return Learnt(ids, int(is_open.sum()), outcome, sample, answers, results)
