"""Labelled boxes in pictures: what a round learns from them, and what the model draws itself."""

from collections.abc import Mapping, Sequence

import numpy as np

from backend.interface.content import Parts, key_of
from backend.interface.preannotations import Needed, box_regions
from backend.interface.questions import LabelConfig, boxes_in
from backend.mirror.labelling import Labelling
from backend.project.unit import Encode, Learnt, Said, Setup
from backend.types import Json
from model.boxes.learner import BoxSnapshot, box_round, found_boxes, probs_of
from model.boxes.measures import Scored, counts_of
from model.boxes.proposals import Proposals
from model.choosing.audit import by_lot
from model.heads.head import Head
from model.snapshot import Policy, rows_in
from model.storage.store import Store, Version
from model.types import Ints

COMPARED_PICTURES = 500
"""Two versions are compared by what they find in at most this many pictures."""


class Boxes:
    """See backend.project.unit.Unit."""

    def __init__(self, store: Store, config: LabelConfig) -> None:
        self._store = store
        self._config = config

    def learn(self, labelling: Labelling, setup: Setup, policy: Policy) -> Learnt:
        snapshot = snapshot_of(self._store, labelling, self._config, setup.encoder)
        outcome = box_round(snapshot, policy, setup.start, setup.fixed)
        ids, head = snapshot.ids, outcome.head
        sample, answers = by_lot(ids, COMPARED_PICTURES, 0), None
        if head is not None:
            found = self._found(head, snapshot.take(sample), snapshot.things)
            drawn = [[box for box, _ in boxes] for boxes in found]
            answers = counts_of(drawn, self._config.labels) > 0

        def results(_: Needed) -> list[list[Json]]:
            if head is None:
                return [[] for _ in outcome.rows]
            return self._regions(head, snapshot.take(outcome.rows), snapshot.things)

        return Learnt(ids, int(snapshot.open.sum()), outcome, sample, answers, results)

    def predict(
        self, version: Version, head: Head, shown: Mapping[int, Parts], _: Encode | None
    ) -> dict[int, Said]:
        """Sure as of the least certain proposal. Nothing is encoded now: a detector takes seconds
        for a picture, which the trainer will read soon."""
        keys = np.array([key_of(parts) for parts in shown.values()], dtype=np.int64)
        known = self._store.proposals(version.encoder)
        rows = known.rows(keys)
        there = np.flatnonzero(rows >= 0)
        if len(there) == 0:
            return {}
        proposals = known.take(rows[there])
        things = self._store.encoders()[version.encoder].things
        surest = probs_of(head, proposals, things).max(axis=1)
        confidence = np.minimum.reduceat(surest, proposals.bounds[:-1]).tolist()
        results = self._regions(head, proposals, things)
        places = [list(shown)[row] for row in there.tolist()]
        return dict(zip(places, zip(results, confidence, strict=True), strict=True))

    def _found(self, head: Head, proposals: Proposals, things: Sequence[str]) -> list[list[Scored]]:
        return found_boxes(probs_of(head, proposals, things), proposals, head.labels[1:])

    def _regions(self, head: Head, proposals: Proposals, things: Sequence[str]) -> list[list[Json]]:
        return [
            box_regions(boxes, sizes_of(proposals.example(row)), self._config)
            for row, boxes in enumerate(self._found(head, proposals, things))
        ]


def sizes_of(proposals: Proposals) -> dict[int, tuple[int, int]]:
    """Page -> width and height of its picture, of one example's proposals."""
    rows = np.unique(proposals.pages, axis=0).tolist()
    return {page: (width, height) for page, width, height in rows}


def snapshot_of(
    store: Store, labelling: Labelling, config: LabelConfig, encoder: int
) -> BoxSnapshot:
    """The part of the pool whose proposals are known."""
    proposals = store.proposals(encoder)
    rows = proposals.rows(labelling.keys)
    is_there = rows >= 0
    ids, rows = labelling.ids[is_there], rows[is_there]
    answered = [place for place, task in enumerate(ids.tolist()) if task in labelling.answers]

    def take(places: Ints) -> Proposals:
        return proposals.take(rows[places])

    return BoxSnapshot(
        ids=ids,
        take=take,
        open=labelling.open[is_there],
        answered=np.array(answered, dtype=np.int64),
        boxes=[boxes_in(labelling.answers[int(ids[place])]) for place in answered],
        labels=config.labels,
        things=store.encoders()[encoder].things,
        tickets=None if labelling.tickets is None else labelling.tickets[is_there],
        picked=rows_in(ids, labelling.picked) if len(labelling.picked) else None,
    )
