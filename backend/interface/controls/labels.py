"""<Labels>: labelled pieces of a text, such as names of people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control, stored, whole_number
from backend.types import Json
from model.spans.tags import Span, overlap

OVERLAPPING = (
    "spans overlap; where they do, only the one that begins first is learnt, and of several that "
    "begin together the shortest"
)


@dataclass(frozen=True)
class Labels(Control[Span]):
    """An answer is a span of the text. Each has a result of its own."""

    tag = "Labels"
    type_name = "labels"
    objects = ("Text",)
    fewest = 1
    needs = "one or more labels"
    nameless = "is a span without a label"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        return Asked(cls(), "spans", tuple((stored(label),) for label in element.iter("Label")))

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[Span]:
        start, end = whole_number(value.get("start")), whole_number(value.get("end"))
        labels = value.get("labels")
        if start is not None and end is not None and 0 <= start < end:
            known = labels if isinstance(labels, list) else []
            yield from (Span(start, end, label) for label in known if isinstance(label, str))

    def write(self, answers: Sequence[Span], text: str = "") -> Json:
        """Of one span."""
        (span,) = answers
        return {
            "start": span.start,
            "end": span.end,
            "text": text[span.start : span.end],
            "labels": [span.label],
        }

    def not_learnt(self, answers: Sequence[Span]) -> str:
        return OVERLAPPING if overlap(answers) else ""
