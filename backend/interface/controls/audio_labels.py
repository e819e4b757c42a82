"""<Labels> over <Audio>: labelled pieces of a sound."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control, stored
from backend.types import Json
from model.media.limits import MAX_MARKED_SECONDS, STEP
from model.spans.tags import Span, overlap

MILLISECONDS = 1000
"""In a second, in which Label Studio counts."""
BEHIND = f"begins after the first {MAX_MARKED_SECONDS:g} seconds, and no more is heard"
OVERLAPPING = "pieces of the sound overlap; where they do, only the one that begins first is learnt"


@dataclass(frozen=True)
class AudioLabels(Control[Span]):
    """An answer is a piece of the sound, in whole milliseconds. Each has a result of its own; its
    channel is not read, for the model hears the mean of all."""

    tag = "Labels"
    type_name = "labels"
    objects = ("Audio",)
    fewest = 1
    needs = "one or more labels"
    is_measured: ClassVar[bool] = True
    nameless = "is a piece without a label"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        return Asked(cls(), "spans", tuple((stored(label),) for label in element.iter("Label")))

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[Span]:
        start, end = _milliseconds(value.get("start")), _milliseconds(value.get("end"))
        labels = value.get("labels")
        if start is not None and end is not None and start < end:
            known = labels if isinstance(labels, list) else []
            yield from (Span(start, end, label) for label in known if isinstance(label, str))

    def write(self, answers: Sequence[Span], text: str = "") -> Json:
        """Of one piece. Label Studio's page adds the channel and the length of the sound."""
        (span,) = answers
        return {
            "start": span.start / MILLISECONDS,
            "end": span.end / MILLISECONDS,
            "labels": [span.label],
        }

    def why_not(self, value: Mapping[str, object]) -> str:
        is_behind = _milliseconds(value.get("start")) == MILLISECONDS * MAX_MARKED_SECONDS
        return BEHIND if is_behind else super().why_not(value)

    def not_learnt(self, answers: Sequence[Span]) -> str:
        return OVERLAPPING if overlap(answers, least=STEP) else ""

    def in_words(self, span: Span, text: str) -> str:
        return f"{span.start / MILLISECONDS:.1f} to {span.end / MILLISECONDS:.1f} s"


def _milliseconds(seconds: object) -> int | None:
    """What lies before the sound begins or after what is heard of it is cut off; None for what is
    no number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not -math.inf <= seconds <= math.inf:  # NaN, which JSON as Python reads it may hold
        return None
    return round(MILLISECONDS * min(max(seconds, 0), MAX_MARKED_SECONDS))
