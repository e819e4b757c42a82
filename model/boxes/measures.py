"""How good found boxes are: average precision, and counts for precision, recall and F1."""

from collections.abc import Sequence

import numpy as np

from model.boxes.geometry import SAME, Box, overlaps_on_pages, pages_of, places_of
from model.types import Bools, Floats, Ints

Scored = tuple[Box, float]
"""A box that the model finds, and how sure it is, in [0, 1]."""


def is_right(found: Sequence[Scored], truth: Sequence[Box], least: float = SAME) -> Bools:
    """Which of the boxes found in a picture (n,) are right. Each box of the truth is found once: by
    the surest one of its label that overlaps it enough."""
    right = np.zeros(len(found), dtype=np.bool_)
    if not found or not truth:
        return right
    boxes = [box for box, _ in found]
    shared = overlaps_on_pages(places_of(boxes), pages_of(boxes), places_of(truth), pages_of(truth))
    same = np.array([[box.label == one.label for one in truth] for box in boxes])
    shared = np.where(same, shared, 0.0)
    for row in np.argsort([-sure for _, sure in found], kind="stable").tolist():
        best = int(shared[row].argmax())
        if shared[row, best] >= least:
            right[row] = True
            shared[:, best] = 0.0
    return right


def average_precision(right: Bools, sure: Floats, truths: int) -> float | None:
    """The area under the curve of precision by recall: `right` (n,) of the boxes of a label found
    in all pictures, how `sure` (n,) each is, and how many there are in truth. In [0, 1]; None where
    there are none.

    Precision counts as the best at this recall or above (Everingham et al. 2010, from VOC 2010 on).
    """
    if truths == 0:
        return None
    ordered = right[np.argsort(-sure, kind="stable")]
    hits = np.cumsum(ordered)
    precision = hits / np.arange(1, len(ordered) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[ordered].sum() / truths)


def average_precisions(
    found: Sequence[Sequence[Scored]], truth: Sequence[Sequence[Box]], labels: Sequence[str]
) -> dict[str, float | None]:
    """The average precision of each label over n pictures; None for labels of no box in truth."""
    rights: dict[str, list[bool]] = {label: [] for label in labels}
    sures: dict[str, list[float]] = {label: [] for label in labels}
    for mine, boxes in zip(found, truth, strict=True):
        for (box, sure), right in zip(mine, is_right(mine, boxes).tolist(), strict=True):
            rights[box.label].append(right)
            sures[box.label].append(sure)
    truths = dict.fromkeys(labels, 0)
    for box in (box for boxes in truth for box in boxes if box.label in truths):
        truths[box.label] += 1
    return {
        label: average_precision(
            np.array(rights[label], dtype=np.bool_), np.array(sures[label]), truths[label]
        )
        for label in labels
    }


def mean_average_precision(
    found: Sequence[Sequence[Scored]], truth: Sequence[Sequence[Box]], labels: Sequence[str]
) -> float | None:
    """The mean over the labels with boxes in truth: mAP at an overlap of .5; None without any."""
    of_labels = average_precisions(found, truth, labels).values()
    known = [one for one in of_labels if one is not None]
    return float(np.mean(known)) if known else None


def counts_of(pictures: Sequence[Sequence[Box]], labels: Sequence[str]) -> Ints:
    """How many boxes of each label each picture has: (n, c)."""
    number = {label: place for place, label in enumerate(labels)}
    counts = np.zeros((len(pictures), len(labels)), dtype=np.int64)
    for row, boxes in enumerate(pictures):
        for box in boxes:
            if box.label in number:
                counts[row, number[box.label]] += 1
    return counts
