"""<Choices allowNested="true">: choices below choices, of which people tick the lowest ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from backend.interface.controls.control import SEPARATOR, Asked, Control
from backend.interface.controls.taxonomy import Taxonomy, called_in, paths_in
from backend.types import Json


@dataclass(frozen=True)
class NestedChoices(Taxonomy):
    """Of which any number may be ticked: a taxonomy whose leaves alone are given. A tick on a
    choice above others stands for ticks on all of them."""

    tag = "Choices"
    type_name = "choices"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        paths = tuple(paths_in(element))
        control = cls({SEPARATOR.join(path): path for path in paths}, is_leaf_only=True)
        return Asked(control, "multiple", paths, tuple(called_in(element)))

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[str]:
        yield from super().read({"taxonomy": value.get("choices")})

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        return {"choices": super().write(answers)["taxonomy"]}


@dataclass(frozen=True)
class NestedChoice(Control[str]):
    """Of which one may be ticked. An answer is the path to a lowest choice as one label.

    paths: the path of each answer.
    """

    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    tag = "Choices"
    type_name = "choices"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        paths = list(paths_in(element))
        above = {path[:-1] for path in paths}
        lowest = [
            (path, called)
            for path, called in zip(paths, called_in(element), strict=True)
            if path not in above
        ]
        control = cls({SEPARATOR.join(path): path for path, _ in lowest})
        names = tuple(called for _, called in lowest)
        return Asked(control, "single", tuple(path for path, _ in lowest), names)

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[str]:
        paths = value.get("choices")
        for path in paths if isinstance(paths, list) else []:
            if isinstance(path, list) and all(isinstance(name, str) for name in path):
                yield SEPARATOR.join(path)

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        return {"choices": [list(self.paths[answer]) for answer in answers]}
