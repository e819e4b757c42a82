"""<RectangleLabels>, and <Labels> with a <Rectangle>: labelled boxes in pictures."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from backend.interface.controls.control import Asked, Control, stored, whole_number
from backend.interface.objects.image import MOST_PICTURES
from backend.types import Json
from model.boxes.geometry import UNREAD, Box

PLACE = ("x", "y", "width", "height")
"""Where a box lies, in percent of the picture."""
MOST_TURNED = 0.5
"""Degrees that a box may be turned."""
LEAST_SIDE = 0.0005
"""A box whose width or height is a smaller share of the picture's holds nothing."""
LARGEST = 10**9
"""No place, side or angle is as large."""
ON_PAGE, ON_TURNED = "item_index", "image_rotation"
SIZE = ("original_width", "original_height")
ELLIPSE = ("x", "y", "radiusX", "radiusY")
"""Where an ellipse lies: its middle and half of its sides, in percent of the picture."""
BESIDE = (ON_PAGE, ON_TURNED, *SIZE)
"""What stands beside the value of a result: the number of the picture, by how many degrees it was
turned when the box was drawn, and its width and height in pixels."""


@dataclass(frozen=True)
class RectangleLabels(Control[Box]):
    """An answer is a box. Each has a result of its own."""

    tag = "RectangleLabels"
    type_name = "rectanglelabels"
    objects = ("Image",)
    fewest = 1
    needs = "one or more labels"
    finds = True
    nameless = "is a box without a label"

    @classmethod
    def parse(cls, element: Element) -> Asked:
        return Asked(cls(), "boxes", tuple((stored(label),) for label in element.iter("Label")))

    def value_of(self, region: Mapping[str, Any]) -> object:
        value = region.get("value")
        beside = {name: region[name] for name in BESIDE if region.get(name) is not None}
        return {**value, **beside} if isinstance(value, dict) and beside else value

    def read(self, value: Mapping[str, object], text: str = "") -> Iterator[Box]:
        labels = value.get(self.type_name)
        if isinstance(labels, list) and not _matter_with(value):
            page = whole_number(value.get(ON_PAGE, 0)) or 0
            place = _cut(value)
            yield from (Box(page, *place, label) for label in labels if isinstance(label, str))

    def write(self, answers: Sequence[Box], text: str = "") -> Json:
        """Of one box."""
        (box,) = answers
        place = zip(PLACE, (box.x, box.y, box.width, box.height), strict=True)
        percent = {name: round(100.0 * share, 4) for name, share in place}
        return {**percent, "rotation": 0, self.type_name: [box.label]}

    def unread(self, value: Mapping[str, object]) -> Iterator[Box]:
        """The upright box around whatever is drawn; all of the picture where nobody can say."""
        page = whole_number(value.get(ON_PAGE, 0))
        if page is not None and page >= 0:
            place = _whole() if _is_on_turned(value) else _around(value)
            yield from [Box(page, *place, UNREAD)] if min(place[2:]) >= LEAST_SIDE else []

    def why_not(self, value: Mapping[str, object]) -> str:
        return _matter_with(value) or self.nameless


@dataclass(frozen=True)
class BoxLabels(RectangleLabels):
    """The same where a <Rectangle> draws the box, which has a result of its own with the same id.
    `shape`: the name of that tag."""

    tag = "Labels"
    type_name = "labels"
    shape: str = ""

    def around(self, region: Json, number: int) -> list[Json]:
        place = {name: one for name, one in region["value"].items() if name != self.type_name}
        together = {**region, "id": f"box-{number}"}
        drawn = {**together, "from_name": self.shape, "type": "rectangle", "value": place}
        return [drawn, together]

    def drawn_alone(self, result: Sequence[object]) -> Iterator[Mapping[str, Any]]:
        regions = [one for one in result if isinstance(one, Mapping)]
        named = {_id(one) for one in regions if one.get("type") == self.type_name}
        for one in regions:
            if one.get("from_name") == self.shape and _id(one) not in named:
                yield one


def _id(region: Mapping[str, Any]) -> str | None:
    """What the entries about one thing have in common; other programs write anything here."""
    stated = region.get("id")
    return stated if isinstance(stated, str) else None


def _matter_with(value: Mapping[str, object]) -> str:
    """ "" for the place of a box that can be read."""
    return next((why for is_wrong, why in WRONG if is_wrong(value)), "")


def _is_of_another_form(value: Mapping[str, object]) -> bool:
    page = whole_number(value.get(ON_PAGE, 0))
    return page is None or page < 0 or any(_number(value.get(name)) is None for name in PLACE)


def _is_turned(value: Mapping[str, object]) -> bool:
    return _turns(value, "rotation") or _is_on_turned(value)


def _is_on_turned(value: Mapping[str, object]) -> bool:
    """Whether the picture was turned when the box was drawn."""
    return _turns(value, ON_TURNED)


def _turns(value: Mapping[str, object], name: str) -> bool:
    stated = value.get(name)
    degrees = 0.0 if stated is None else _number(stated)
    return degrees is None or abs((degrees + 180) % 360 - 180) > MOST_TURNED


def _is_outside(value: Mapping[str, object]) -> bool:
    x, y, width, height = _place(value)
    return x >= 1.0 or y >= 1.0 or x + width <= 0.0 or y + height <= 0.0


def _is_empty(value: Mapping[str, object]) -> bool:
    _, _, width, height = _place(value)
    return min(width, height) < LEAST_SIDE


def _is_cut_to_nothing(value: Mapping[str, object]) -> bool:
    return min(_cut(value)[2:]) < LEAST_SIDE


def _is_on_no_page(value: Mapping[str, object]) -> bool:
    return (whole_number(value.get(ON_PAGE, 0)) or 0) >= MOST_PICTURES


WRONG = (
    (_is_of_another_form, "is no box with numbers for x, y, width and height"),
    (_is_turned, "is a turned box, and only upright ones are learnt"),
    (_is_empty, "is a box without an area"),
    (_is_outside, "is a box outside of the picture"),
    (_is_cut_to_nothing, "is a box outside of the picture"),
    (_is_on_no_page, f"is on a later page than the first {MOST_PICTURES}, which are read"),
)
"""What may be the matter with a value, in words. Each is asked after those above it said no."""


Place = tuple[float, float, float, float]
"""x, y, width and height as shares of the picture's."""


def _place(value: Mapping[str, object]) -> Place:
    x, y, width, height = ((_number(value.get(name)) or 0.0) / 100.0 for name in PLACE)
    return x, y, width, height


def _whole() -> Place:
    """All of the picture."""
    return 0.0, 0.0, 1.0, 1.0


def _around(value: Mapping[str, object]) -> Place:
    """What lies in the picture of the upright box around something that is drawn; all of the
    picture for what has no place, such as strokes of a brush, or none that can be read."""
    found = (corners_of(value) for corners_of in SHAPES)
    corners = next((some for some in found if some), None)
    return _whole() if corners is None else _within_corners(corners)


Corner = tuple[float, float]
"""x and y as shares of the picture's."""


def _within_corners(corners: Sequence[Corner]) -> Place:
    lefts, tops = zip(*corners, strict=True)
    return _within(min(lefts), min(tops), max(lefts) - min(lefts), max(tops) - min(tops))


def _box(value: Mapping[str, object]) -> list[Corner]:
    """The corners of a box, which Label Studio turns around its upper left one."""
    x, y, width, height = _place(value)
    is_none = _is_of_another_form(value)
    return [] if is_none else _turned((x, y), (0.0, width), (0.0, height), value)


def _polygon(value: Mapping[str, object]) -> list[Corner]:
    points = value.get("points")
    found = [_point(one) for one in points] if isinstance(points, list) else []
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else []


def _point(value: object) -> Corner | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    across, down = map(_number, value)
    return None if across is None or down is None else (across / 100.0, down / 100.0)


def _ellipse(value: Mapping[str, object]) -> list[Corner]:
    """The corners of the box around it, turned as it is: around its middle."""
    x, y, width, height = (_number(value.get(name)) for name in ELLIPSE)
    if x is None or y is None or width is None or height is None:
        return []
    middle, right, below = (x / 100.0, y / 100.0), width / 100.0, height / 100.0
    return _turned(middle, (-right, right), (-below, below), value)


def _turned(
    middle: Corner, lefts: Corner, tops: Corner, value: Mapping[str, object]
) -> list[Corner]:
    """Corners this far to the right of and below a point, turned around it."""
    across, down = (max(_number(value.get(name)) or 0.0, 1.0) for name in SIZE)
    turned = math.radians(_number(value.get("rotation")) or 0.0)
    cosine, sine = math.cos(turned), math.sin(turned)
    return [
        (
            middle[0] + (right * across * cosine - below * down * sine) / across,
            middle[1] + (right * across * sine + below * down * cosine) / down,
        )
        for right in lefts
        for below in tops
    ]


SHAPES = (_box, _polygon, _ellipse)
"""The corners of what a value draws; none where it is another shape."""


def _cut(value: Mapping[str, object]) -> Place:
    """The part of the box that lies in the picture: annotators may draw over its edge."""
    return _within(*_place(value))


def _within(x: float, y: float, width: float, height: float) -> Place:
    low = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    high = min(max(x + width, 0.0), 1.0), min(max(y + height, 0.0), 1.0)
    # Without the last digits, so that what was written in percent is read again.
    return *low, round(high[0] - low[0], 6), round(high[1] - low[1], 6)


def _number(value: object) -> float | None:
    """A number that can be counted with; None for others. In JSON, true is no number; in Python it
    is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # float() raises OverflowError for an integer of hundreds of digits, and NaN is never less.
    return float(value) if abs(value) <= LARGEST else None
