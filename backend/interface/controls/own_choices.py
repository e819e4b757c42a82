"""<Choices value="$...">: which ones of a list are chosen that each task has of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control
from backend.interface.objects.lists import list_in, refuse_nesting
from backend.types import Json
from model.heads.orders import PLACES


@dataclass(frozen=True)
class OwnChoice(Control[str]):
    """An answer is the place of what is chosen in the task's list, from "1" on."""

    tag = "Choices"
    type_name = "choices"
    reads_text = True
    reads_list = True
    not_read = "names nothing in the task's list"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        refuse_nesting(element)
        is_several = element.get("choice", "single").startswith("multiple")
        return Asked(cls(), "candidates" if is_several else "candidate", tuple(zip(PLACES)))

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[str]:
        given = value.get("choices")
        choices = given if isinstance(given, list) else [given]
        places = {one.name: place for place, one in zip(PLACES, list_in(text), strict=False)}
        yield from (places[one] for one in choices if isinstance(one, str) and one in places)

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        chosen = set(answers)
        names = zip(PLACES, list_in(text), strict=False)
        return {"choices": [one.name for place, one in names if place in chosen]}
