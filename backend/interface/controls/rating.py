"""<Rating>: a number of stars, learnt as labels in an order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control, whole_number
from backend.types import Json


@dataclass(frozen=True)
class Rating(Control[str]):
    """An answer is a number of stars, from "1" on."""

    tag = "Rating"
    type_name = "rating"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        highest = element.get("maxRating", "5")
        stars = int(highest) if highest.isdecimal() and len(highest) < 4 else 0
        return Asked(cls(), "ordered", tuple((str(star),) for star in range(1, stars + 1)))

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[str]:
        rating = whole_number(value.get("rating"))
        if rating is not None:
            yield str(rating)

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        return {"rating": int(answers[0])}
