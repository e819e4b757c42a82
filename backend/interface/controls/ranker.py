"""<Ranker>: the order of the items in a <List>, or the buckets that they are put into."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control
from backend.interface.objects.lists import list_in
from backend.interface.values import text_of
from backend.types import Json
from model.heads.orders import ORDERS, PLACES, order_of


@dataclass(frozen=True)
class Ranker(Control[str]):
    """An answer is that one item precedes another, by their places in the task's list: "2>1".

    name: of the tag, under which results keep the order of all items. Of buckets, `buckets` in the
    order of the tags, only that the items of one precede those of later ones is read.
    """

    tag = "Ranker"
    type_name = "ranker"
    objects = ("List",)
    may_be_required = False
    reads_text = True
    reads_list = True
    not_read = "puts nothing of the task's list in an order"
    name: str = ""
    buckets: tuple[str, ...] = ()

    @classmethod
    def parse(cls, element: Element) -> Asked:
        buckets = tuple(one.get("name", "") for one in element.iter("Bucket"))
        control = cls(element.get("name", ""), buckets)
        return Asked(control, "ranking", tuple((order,) for order in ORDERS))

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[str]:
        ranked = value.get("ranker")
        if not isinstance(ranked, Mapping):
            return
        places: dict[str | None, str] = {
            one.name: place for place, one in zip(PLACES, list_in(text), strict=False)
        }
        steps = [
            [places[name] for name in map(text_of, given) if name in places]
            for given in self._steps(ranked)
        ]
        for number, step in enumerate(steps):
            yield from (
                f"{one}>{other}" for later in steps[number + 1 :] for one in step for other in later
            )

    def _steps(self, ranked: Mapping[str, object]) -> list[list[object]]:
        """What comes first, what comes after that, and so on."""
        if self.buckets:
            lists = [ranked.get(bucket) for bucket in self.buckets]
            return [one for one in lists if isinstance(one, list)]
        whole = ranked.get(self.name)
        return [[one] for one in whole] if isinstance(whole, list) else []

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        """The whole order; {} with buckets, for which none of them the model knows."""
        if self.buckets:
            return {}
        names = [one.name for one in list_in(text)]
        return {"ranker": {self.name: [names[place] for place in order_of(set(answers))]}}
