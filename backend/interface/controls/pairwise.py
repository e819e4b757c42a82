"""<Pairwise>: which of two things that a task shows is chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control
from backend.types import Json

SIDES = ("left", "right")
"""The first of the two names in `toName`, and the second."""


@dataclass(frozen=True)
class Pairwise(Control[str]):
    """An answer is the side of what is chosen."""

    tag = "Pairwise"
    type_name = "pairwise"
    is_of_two = True
    may_be_required = False

    @classmethod
    def parse(cls, element: Element) -> Asked:
        return Asked(cls(), "pair", tuple((side,) for side in SIDES))

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[str]:
        given = value.get("selected")
        if isinstance(given, str):
            yield given

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        return {"selected": answers[0]}
