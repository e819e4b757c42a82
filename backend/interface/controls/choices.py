"""<Choices>: one of several names, or any number of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control, shown, stored
from backend.interface.controls.nested_choices import NestedChoice, NestedChoices
from backend.interface.controls.own_choices import OwnChoice
from backend.interface.objects.lists import is_own_list
from backend.types import Json


@dataclass(frozen=True)
class Choices(Control[str]):
    """An answer is what is stored for a choice: its alias, where it has one."""

    tag = "Choices"
    type_name = "choices"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        if is_own_list(element):
            return OwnChoice.parse(element)
        is_several = element.get("choice", "single").startswith("multiple")
        if element.get("allowNested", "false") == "true":
            return NestedChoices.parse(element) if is_several else NestedChoice.parse(element)
        choices: dict[str, Element] = {}
        repeated: dict[str, None] = {}
        for choice in _offered(element):
            if choices.setdefault(stored(choice), choice) is not choice:
                repeated[stored(choice)] = None
        return Asked(
            cls(),
            "multiple" if is_several else "single",
            tuple((name,) for name in choices),
            tuple(map(shown, choices.values())),
            tuple(repeated),
        )

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[str]:
        given = value.get("choices")
        choices = given if isinstance(given, list) else [given]
        yield from (choice for choice in choices if isinstance(choice, str))

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        return {"choices": list(answers)}


def _offered(element: Element) -> Iterator[Element]:
    """The choices, also in <View> tags; not those below others, which only allowNested offers."""
    for child in element:
        if child.tag == "Choice":
            yield child
        else:
            yield from _offered(child)
