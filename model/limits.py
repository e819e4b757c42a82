"""How often a label may be given in one example."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from model.boxes.geometry import Box
from model.spans.tags import Span

Piece = TypeVar("Piece", Span, Box)


def within_limits(
    found: Sequence[tuple[Piece, float]], limits: Mapping[str, int]
) -> list[tuple[Piece, float]]:
    """Of the found pieces, each with how sure it is, those that are surest of each label that has a
    limit, as many as it says, and all of the other labels; in the order in which they came."""
    if not limits:
        return list(found)
    kept, times = set(), Counter[str]()
    for place in sorted(range(len(found)), key=lambda place: -found[place][1]):
        label = found[place][0].label
        times[label] += 1
        if times[label] <= limits.get(label, times[label]):
            kept.add(place)
    return [found[place] for place in sorted(kept)]
