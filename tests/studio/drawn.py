"""Made pictures with boxes around shapes, as Label Studio stores them."""

from io import BytesIO

from backend.types import Json
from model.boxes.geometry import Box
from tests.backend.web import Answer, Web
from tests.model.shapes import SIDE, picture

LABELS = ("Circle", "Square", "Triangle", "Cross")
CONFIG = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="shape" toName="image">'
    + "".join(f'<Label value="{label}"/>' for label in LABELS)
    + "</RectangleLabels></View>"
)
ALLOWED = {"Content-Type": "image/png", "Access-Control-Allow-Origin": "*"}
"""Label Studio's page draws pictures of other hosts only with the second one."""


def shown(web: Web, count: int, first: int = 0) -> dict[str, list[Box]]:
    """Put so many pictures onto the server: their addresses, and the boxes in each."""
    found = {}
    for number in range(first, first + count):
        made, boxes = picture(number)
        file = BytesIO()
        made.save(file, "PNG")
        web.answers[f"/{number}.png"] = Answer(file.getvalue(), headers=ALLOWED)
        found[f"{web.url}/{number}.png"] = boxes
    return found


def drawn(boxes: list[Box], page: int | None = None) -> list[Json]:
    """What an annotator draws around these, as Label Studio's page sends it."""
    return [
        {
            "original_width": SIDE,
            "original_height": SIDE,
            "image_rotation": 0,
            "value": {
                "x": 100 * box.x,
                "y": 100 * box.y,
                "width": 100 * box.width,
                "height": 100 * box.height,
                "rotation": 0,
                "rectanglelabels": [box.label.capitalize()],
            },
            "from_name": "shape",
            "to_name": "image",
            "type": "rectanglelabels",
            **({} if page is None else {"item_index": page}),
        }
        for box in boxes
    ]


def boxes_in(result: list[Json]) -> list[Box]:
    """The boxes of a prediction, with the names of the shapes."""
    found = []
    for region in result:
        value = region["value"]
        x, y, width, height = (value[name] / 100 for name in ("x", "y", "width", "height"))
        label = value["rectanglelabels"][0].lower()
        found.append(Box(region.get("item_index", 0), x, y, width, height, label))
    return found
