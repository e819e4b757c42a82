"""<Number>: a number between two ends, learnt as labels in an order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element

from backend.errors import UnsupportedConfig
from backend.interface.controls.control import Asked, Control
from backend.types import Json

MOST_STEPS = 101
"""From 0 to 100. Each is a label, and people seldom tell more apart."""


@dataclass(frozen=True)
class Number(Control[str]):
    """An answer is one of the steps from `min` to `max`, without needless digits: "7", "0.5"."""

    tag = "Number"
    type_name = "number"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        """Raises UnsupportedConfig where the steps have no end or are too many."""
        lowest, highest = _number(element.get("min")), _number(element.get("max"))
        step = _number(element.get("step") or "1")
        which = f"Number '{element.get('name', '')}'"
        if lowest is None or highest is None or step is None or step <= 0 or lowest >= highest:
            raise UnsupportedConfig(
                f"{which} has no steps from a min to a max",
                'Write both, and a step unless it is 1, such as min="1" max="5" step="0.5".',
            )
        if highest - lowest >= MOST_STEPS * step:
            raise UnsupportedConfig(
                f"{which} has more than {MOST_STEPS} steps",
                "Write a min and a max that lie nearer to each other, or a larger step.",
            )
        steps = range(int((highest - lowest) / step) + 1)
        return Asked(cls(), "ordered", tuple((_written(lowest + at * step),) for at in steps))

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[str]:
        given = value.get("number")
        # In JSON, true is no number; in Python it is one.
        is_given = isinstance(given, int | float | str) and not isinstance(given, bool)
        number = _number(str(given)) if is_given else None
        if number is not None:
            yield _written(number)

    def write(self, answers: Sequence[str], text: str = "") -> Json:
        number = float(answers[0])
        return {"number": int(number) if number.is_integer() else number}


def _number(text: str | None) -> Decimal | None:
    """None for what is no number of ordinary size."""
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        return None
    is_ordinary = number.is_finite() and abs(number) < 10**9
    return number if is_ordinary and number == round(number, 9) else None


def _written(number: Decimal) -> str:
    """Without zeros at the end: 7.0 is "7"."""
    return f"{number.normalize() + 0:f}"
