"""<ParagraphLabels>: labelled pieces of a dialogue."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control, stored, whole_number
from backend.interface.controls.labels import OVERLAPPING
from backend.interface.paragraph_text import ParagraphText, Place, read_paragraphs
from backend.types import Json
from model.spans.tags import Span, overlap


@dataclass(frozen=True)
class ParagraphLabels(Control[Span]):
    """An answer is a span of the text that backend.interface.paragraph_text makes of a dialogue; it
    may run over several paragraphs, and begins and ends in what is said, not at a space. Each has a
    result of its own."""

    tag = "ParagraphLabels"
    type_name = "paragraphlabels"
    objects = ("Paragraphs",)
    fewest = 1
    needs = "one or more labels"
    reads_text = True
    nameless = "is a span without a label"
    not_read = "has a form that is not understood, or marks what the task does not show"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        return Asked(cls(), "spans", tuple((stored(label),) for label in element.iter("Label")))

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[Span]:
        dialogue = read_paragraphs(text)
        start, end = (_character(dialogue, value, which) for which in ("start", "end"))
        labels = value.get("paragraphlabels")
        if start is not None and end is not None and isinstance(labels, list):
            piece = dialogue.trimmed(start, end)
            known = labels if piece is not None else []
            yield from (Span(*piece, one) for one in known if piece and isinstance(one, str))

    def write(self, answers: Sequence[Span], text: str = "") -> Json:
        """Of one span; {} if it lies within a name, which nobody can mark."""
        (span,) = answers
        dialogue = read_paragraphs(text)
        piece = dialogue.trimmed(span.start, span.end)
        if piece is None:
            return {}
        start, end = map(dialogue.place, piece)
        return {
            "start": str(start.paragraph),
            "end": str(end.paragraph),
            "startOffset": start.offset,
            "endOffset": end.offset,
            "text": dialogue.said(*piece),
            "paragraphlabels": [span.label],
        }

    def not_learnt(self, answers: Sequence[Span]) -> str:
        return OVERLAPPING if overlap(answers) else ""


def _character(dialogue: ParagraphText, value: Mapping[str, object], which: str) -> int | None:
    """The character at which a region starts or ends."""
    paragraph = whole_number(value.get(which))
    offset = whole_number(value.get(f"{which}Offset"))
    if paragraph is None or offset is None:
        return None
    return dialogue.character(Place(paragraph, offset))
