"""Labelled boxes in pictures, as the trainer reviews them. See backend.trainer.detector for how a
detector is tuned."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from backend.interface.questions import Answer, LabelConfig, boxes_in
from backend.media.contents import TaskContents
from backend.trainer.doubts import SHOWN_PAIRS, most_doubted
from backend.trainer.report import Report
from backend.trainer.told import Reviewed
from backend.types import Json
from model.boxes.geometry import Box, learnable, outside_unread, pairs_of
from model.boxes.learner import BoxSnapshot, cross_validated, found_boxes, targets_of
from model.boxes.proposals import Proposals
from model.choosing.audit import by_lot
from model.encoders.finetune import Examples
from model.encoders.joint import JointEncoder
from model.measuring.belief import belief
from model.measuring.review import FOLDS, LEAST_DOUBT
from model.types import Floats, Ints

REVIEWED_PICTURES = 2000
"""Pictures with boxes that are reviewed at most, drawn at random."""


class Boxes:
    """See backend.trainer.unit.TrainingUnit."""

    def __init__(self, config: LabelConfig) -> None:
        self._labels = config.labels

    def examples(
        self, encoder: JointEncoder, shown: TaskContents, answers: Sequence[Answer]
    ) -> Examples:
        """Pictures, and which labels they have boxes of."""
        columns = {label: place for place, label in enumerate(self._labels)}
        targets = np.zeros((len(shown), len(self._labels)), dtype=np.float32)
        for row, answer in enumerate(answers):
            known = (box.label for box in boxes_in(answer) if box.label in columns)
            targets[row, [columns[label] for label in known]] = 1.0
        return Examples(shown, targets, shown.lengths)

    def compared(self, open_ids: Ints, labelled: int, seed: int) -> Ints:
        return open_ids[:0]

    def reviewed(self, ids: Ints, seed: int) -> Ints:
        return np.sort(ids[by_lot(ids, REVIEWED_PICTURES, seed)])

    def doubts(self, encoder: JointEncoder, reviewed: Reviewed, seed: int, report: Report) -> Json:
        if len(reviewed.answers) < 4 * FOLDS:
            return {"tasks": [], "confusions": []}
        proposals = proposals_of(encoder, reviewed.shown, report)
        boxes = [boxes_in(answer) for answer in reviewed.answers]
        snapshot = snapshot_of(proposals, boxes, self._labels, encoder.things)
        return doubted_boxes(reviewed.ids, snapshot, seed)

    def belief(
        self,
        encoder: JointEncoder,
        shown: TaskContents,
        answers: Sequence[Answer],
        seed: int,
        report: Report,
    ) -> Floats:
        proposals = proposals_of(encoder, shown, report)
        boxes = [boxes_in(answer) for answer in answers]
        snapshot = snapshot_of(proposals, boxes, self._labels, encoder.things)
        probs = cross_validated(snapshot, seed)
        targets = targets_of(boxes, proposals, self._labels)
        of_proposals = belief(probs, targets, "single")
        # A picture counts as a whole, for its proposals are no independent witnesses.
        bounds = proposals.bounds
        result: Floats = np.add.reduceat(of_proposals, bounds[:-1]) / np.diff(bounds)
        return result

    def differences(self, answers: Sequence[Answer]) -> list[tuple[str, ...]]:
        """Each pair of labels that two people gave to the same thing, "" where one of them drew
        none; other edges are not another label."""
        drawn = [boxes_in(answer) for answer in answers]
        found = {
            tuple(sorted(pair))
            for first, second in combinations(drawn, 2)
            for pair in _taken_for(outside_unread(first, second), outside_unread(second, first))
        }
        return sorted(found)

    def agree(self, answers: Sequence[Answer]) -> bool:
        return not self.differences(answers)

    def readable(self, answer: Answer) -> list[str]:
        return [_shown(box) for box in learnable(boxes_in(answer))]


def proposals_of(encoder: JointEncoder, shown: TaskContents, report: Report) -> Proposals:
    """What the detector proposes in these pictures, which are read one by one."""
    parts: list[Any] = []
    for row in range(len(shown)):
        parts.append(encoder.encode([shown[row]]))
        report.advanced((row + 1) / len(shown))
    return joined(parts)


def joined(parts: Sequence[Proposals]) -> Proposals:
    """The proposals of one example after the other; there is at least one."""
    counts = [0, *(len(one.states) for one in parts)]
    return Proposals(
        states=np.concatenate([one.states for one in parts]),
        boxes=np.concatenate([one.boxes for one in parts]),
        scores=np.concatenate([one.scores for one in parts]),
        pages=np.concatenate([one.pages for one in parts]),
        bounds=np.cumsum(counts),
    )


def snapshot_of(
    proposals: Proposals,
    boxes: Sequence[Sequence[Box]],
    labels: tuple[str, ...],
    things: tuple[str, ...],
) -> BoxSnapshot:
    """Pictures that are all labelled."""
    rows = np.arange(len(proposals))
    return BoxSnapshot(rows, proposals.take, rows < 0, rows, boxes, labels, things)


def doubted_boxes(ids: Sequence[int], snapshot: BoxSnapshot, seed: int) -> Json:
    """The most doubted of pictures that are all labelled: of each what only people (`given`) and
    what only the model (`said`) drew."""
    proposals = snapshot.take(snapshot.answered)
    probs = cross_validated(snapshot, seed)
    tasks: list[Json] = []
    pairs: Counter[tuple[str, str]] = Counter()
    for row, found in enumerate(found_boxes(probs, proposals, snapshot.labels)):
        drawn = snapshot.boxes[row]
        given, said = learnable(drawn), outside_unread([box for box, _ in found], drawn)
        pairs.update(_taken_for(given, said))
        doubt, missed, claimed = _doubt_of(given, [one for one in found if one[0] in said])
        if doubt >= LEAST_DOUBT and (missed or claimed):
            tasks.append(
                {
                    "task": ids[row],
                    "doubt": round(doubt, 3),
                    "given": [_shown(box) for box in missed],
                    "said": [_shown(box) for box in claimed],
                }
            )
    return {
        "tasks": most_doubted(tasks, len(ids)),
        "confusions": [
            {"given": first, "said": second, "count": count}
            for (first, second), count in pairs.most_common(SHOWN_PAIRS)
        ],
    }


def _doubt_of(
    given: Sequence[Box], found: Sequence[tuple[Box, float]]
) -> tuple[float, list[Box], list[Box]]:
    """How sure the model is of the surest box that people did not draw, or drew with another label;
    what people drew and it did not, and the other way round.

    A box that people forgot is the most frequent error, and a box that the model misses is mostly
    its own.
    """
    said = [box for box, _ in found]
    where = pairs_of(given, said)
    same = {
        (row, place)
        for row, place in enumerate(where.tolist())
        if place >= 0 and said[place].label == given[row].label
    }
    missed = [box for row, box in enumerate(given) if row not in {pair[0] for pair in same}]
    claimed = [place for place in range(len(said)) if place not in {pair[1] for pair in same}]
    doubt = max((found[place][1] for place in claimed), default=0.0)
    return doubt, missed, [said[place] for place in claimed]


def _taken_for(given: Sequence[Box], said: Sequence[Box]) -> Iterator[tuple[str, str]]:
    """Labels of given boxes and of those that were said in their place; "" for none."""
    where = pairs_of(given, said).tolist()
    for box, place in zip(given, where, strict=True):
        other = said[place].label if place >= 0 else ""
        if other != box.label:
            yield box.label, other
    yield from (("", box.label) for place, box in enumerate(said) if place not in where)


def _shown(box: Box) -> str:
    """A box in words: its label, and where its middle is in percent of the picture."""
    across, down = (round(100 * at) for at in (box.x + box.width / 2, box.y + box.height / 2))
    page = f", picture {box.page + 1}" if box.page else ""
    return f"{box.label} ({across} % across, {down} % down{page})"
