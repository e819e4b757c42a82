"""Upright boxes in pictures: how much they overlap, which belong together, and which are doubles.

Arrays of boxes (n, 4) have the upper left corner, the width and the height, relative to those of
the picture: x, y, width, height in [0, 1].
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from model.types import Bools, Floats, Ints

SAME = 0.5
"""Two boxes are of the same thing from this intersection over union on, as in Pascal VOC
(Everingham et al. 2010, doi:10.1007/s11263-009-0275-4)."""


UNREAD = ""
"""The label of a box around something that people drew and that cannot be learnt, such as a turned
box. No thing has this name."""

COVERED = 0.5
"""What lies in a box that cannot be learnt with this share of its area says nothing of itself."""


@dataclass(frozen=True, order=True)
class Box:
    """A thing in a picture is an x. x, y: the upper left corner of the box around it; width,
    height: all four relative to the picture's, in [0, 1]; page: of several pictures which one, from
    0 on."""

    page: int
    x: float
    y: float
    width: float
    height: float
    label: str


def places_of(boxes: Iterable[Box]) -> Floats:
    """The boxes as an array (n, 4)."""
    rows = [(box.x, box.y, box.width, box.height) for box in boxes]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def pages_of(boxes: Iterable[Box]) -> Ints:
    """The pages (n,) of the boxes."""
    return np.array([box.page for box in boxes], dtype=np.int64)


def overlaps(first: Floats, second: Floats) -> Floats:
    """Intersection over union (n, m) of boxes (n, 4) and boxes (m, 4), in [0, 1]; 0 for two without
    an area."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    ends = first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:]
    high = np.minimum(ends[0][:, None], ends[1][None])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    areas = np.prod(first[:, 2:], axis=1)[:, None] + np.prod(second[:, 2:], axis=1)[None]
    result: Floats = shared / np.maximum(areas - shared, 1e-12)
    return result


def overlaps_on_pages(
    first: Floats, first_pages: Ints, second: Floats, second_pages: Ints
) -> Floats:
    """The same, 0 for two on different pages."""
    is_same_page: Bools = first_pages[:, None] == second_pages[None]
    return overlaps(first, second) * is_same_page


def covered(places: Floats, pages: Ints, boxes: Sequence[Box]) -> Bools:
    """Which places (n, 4) on these pages (n,) lie in boxes that cannot be learnt: nobody knows what
    is in them, if anything."""
    unread = [box for box in boxes if box.label == UNREAD]
    if not unread or not len(places):
        return np.zeros(len(places), dtype=np.bool_)
    places, others = np.asarray(places, np.float64), places_of(unread)
    low = np.maximum(places[:, None, :2], others[None, :, :2])
    high = np.minimum((places[:, :2] + places[:, 2:])[:, None], (others[:, :2] + others[:, 2:]))
    shared = np.prod(np.maximum(high - low, 0.0), axis=2) * (pages[:, None] == pages_of(unread))
    areas = np.maximum(np.prod(places[:, 2:], axis=1), 1e-12)
    result: Bools = (shared >= COVERED * areas[:, None]).any(axis=1)
    return result


def learnable(boxes: Iterable[Box]) -> list[Box]:
    """Those that can be learnt."""
    return [box for box in boxes if box.label != UNREAD]


def outside_unread(found: Sequence[Box], drawn: Sequence[Box]) -> list[Box]:
    """The found boxes that can be learnt and do not lie in one of the drawn ones that cannot, and
    those in the place of a drawn one that can."""
    found, known = learnable(found), learnable(drawn)
    where = places_of(found), pages_of(found)
    shared = overlaps_on_pages(*where, places_of(known), pages_of(known))
    stays = ~covered(*where, drawn) | (shared >= SAME).any(axis=1)
    return [box for box, is_kept in zip(found, stays.tolist(), strict=True) if is_kept]


def kept(scores: Floats, shared: Floats, most: float) -> Ints:
    """Non-maximum suppression: the rows that stay of n boxes with these scores (n,), the highest
    first, each without those with lower scores whose overlap in `shared` (n, n) is above `most`."""
    left = np.argsort(-scores, kind="stable")
    found: list[int] = []
    while len(left):
        best, left = int(left[0]), left[1:]
        found.append(best)
        left = left[shared[best, left] <= most]
    return np.array(found, dtype=np.int64)


def matched(shared: Floats, least: float = SAME) -> Ints:
    """For each of n boxes the one of m that belongs to it, (n,), -1 for none; shared (n, m).

    Pairs with the largest overlaps come first, each box is in one pair at most, and none has an
    overlap below `least`.
    """
    result = np.full(shared.shape[0], -1, dtype=np.int64)
    if shared.size == 0:
        return result
    is_taken = np.zeros(shared.shape[1], dtype=np.bool_)
    rows, columns = np.nonzero(shared >= least)
    for place in np.argsort(-shared[rows, columns], kind="stable").tolist():
        row, column = rows[place], columns[place]
        if result[row] < 0 and not is_taken[column]:
            result[row], is_taken[column] = column, True
    return result


def pairs_of(first: Sequence[Box], second: Sequence[Box], least: float = SAME) -> Ints:
    """For each of the first boxes the one of the second that lies in the same place, whatever their
    labels; -1 for none."""
    shared = overlaps_on_pages(
        places_of(first), pages_of(first), places_of(second), pages_of(second)
    )
    return matched(shared, least)
