"""<Taxonomy>: nodes of a tree. Each is an answer, and implies those above it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from xml.etree.ElementTree import Element

from backend.interface.controls.control import (
    SEPARATOR,
    Asked,
    Called,
    Control,
    shown,
    stored,
    whole_number,
)
from backend.types import Json


@dataclass(frozen=True)
class Taxonomy(Control[str]):
    """An answer is a path as one label, such as `Animals / Cat`.

    paths: the path of each answer; is_leaf_only: whether annotators may give the lowest nodes only.
    """

    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_leaf_only: bool = False

    tag = "Taxonomy"
    type_name = "taxonomy"
    is_learnt_in_parts = True

    @classmethod
    def parse(cls, element: Element) -> Asked:
        paths = tuple(paths_in(element))
        of_answer = {SEPARATOR.join(path): path for path in paths}
        control = cls(of_answer, element.get("leafsOnly", "false") == "true")
        most = whole_number(element.get("maxUsages")) or None
        return Asked(control, "multiple", paths, tuple(called_in(element)), most=most)

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[str]:
        """The chosen nodes, and all above them."""
        paths = value.get("taxonomy")
        for path in paths if isinstance(paths, list) else []:
            if isinstance(path, list) and all(isinstance(name, str) for name in path):
                yield from _down(path)

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        return {"taxonomy": [list(self.paths[answer]) for answer in answers]}

    def renamed(self, answers: list[str], aliases: Mapping[str, str]) -> list[str]:
        """With the nodes above the new place, and without those that only led to the former one."""

        def is_former(answer: str) -> bool:
            if answer in aliases:
                return True
            below = [one for one in answers if one.startswith(f"{answer}{SEPARATOR}")]
            return bool(below) and all(map(is_former, below))

        kept = [one for one in answers if not is_former(one)]
        moved = [aliases[one] for one in answers if one in aliases]
        return kept + [node for one in moved for node in _down(self.paths.get(one, (one,)))]

    def stated(self, answers: Sequence[str]) -> list[str]:
        """The most specific ones, that no other lies below; and where only leaves are allowed, only
        leaves."""
        paths = {self.paths[answer] for answer in answers}
        above = {path[:depth] for path in paths for depth in range(1, len(path))}
        lowest = {SEPARATOR.join(path) for path in paths - above}
        allowed = lowest - self.inner_nodes if self.is_leaf_only else lowest
        return [answer for answer in answers if answer in allowed]

    @cached_property
    def inner_nodes(self) -> set[str]:
        """The answers that others lie below."""
        return {SEPARATOR.join(path[:-1]) for path in self.paths.values() if len(path) > 1}


def _down(path: Sequence[str]) -> Iterator[str]:
    """The nodes on the way to the last of this path, as labels."""
    return (SEPARATOR.join(path[:depth]) for depth in range(1, len(path) + 1))


def paths_in(node: Element, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all choices below a node, each before those below it."""
    for choice in node.iterfind("Choice"):
        path = (*above, stored(choice))
        yield path
        yield from paths_in(choice, path)


def called_in(node: Element, above: tuple[str, ...] = ()) -> Iterator[Called]:
    """What annotators see of all choices below a node, in the order of `paths_in`."""
    for choice in node.iterfind("Choice"):
        called = shown(choice, above)
        yield called
        yield from called_in(choice, called.path)
