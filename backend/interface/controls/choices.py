"""<Choices>: one of several names, or any number of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control, shown, stored
from backend.types import Json


@dataclass(frozen=True)
class Choices(Control[str]):
    """An answer is what is stored for a choice: its alias, where it has one."""

    tag = "Choices"
    type_name = "choices"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        choices = list(element.iter("Choice"))
        is_several = element.get("choice", "single").startswith("multiple")
        return Asked(
            cls(),
            "multiple" if is_several else "single",
            tuple((stored(choice),) for choice in choices),
            tuple(map(shown, choices)),
        )

    def read(self, value: Mapping[str, object]) -> Iterator[str]:
        choices = value.get("choices")
        if isinstance(choices, list):
            yield from (choice for choice in choices if isinstance(choice, str))

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        return {"choices": list(answers)}
