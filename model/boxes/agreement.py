"""What several people agree on who drew boxes in the same picture: no two draw quite the same."""

from collections.abc import Sequence

import numpy as np

from model.boxes.geometry import UNREAD, Box, pairs_of, places_of


def agreed_boxes(votes: Sequence[Sequence[Box]]) -> tuple[Box, ...] | None:
    """The boxes that more than half of the people drew, each at the mean of where they drew it;
    None if exactly half of them drew one, which decides nothing.

    Boxes of the same label that overlap by half are one box. Weighted boxes fusion (Solovyev et al.
    2021, arXiv:1910.13302) with equal weights. What cannot be learnt of anybody's boxes stays.
    """
    groups: list[list[Box]] = []
    unread = {box for boxes in votes for box in boxes if box.label == UNREAD}
    for boxes in votes:
        for label in dict.fromkeys(box.label for box in boxes if box.label != UNREAD):
            mine = [box for box in boxes if box.label == label]
            known = [group for group in groups if group[0].label == label]
            where = pairs_of(mine, [_mean(group) for group in known])
            for box, place in zip(mine, where.tolist(), strict=True):
                if place < 0:
                    groups.append([box])
                else:
                    known[place].append(box)
    if any(2 * len(group) == len(votes) for group in groups):
        return None
    agreed = (_mean(group) for group in groups if 2 * len(group) > len(votes))
    return tuple(sorted([*agreed, *unread]))


def _mean(group: Sequence[Box]) -> Box:
    if len(group) == 1:
        return group[0]
    x, y, width, height = np.mean(places_of(group), axis=0).tolist()
    return Box(group[0].page, x, y, width, height, group[0].label)
