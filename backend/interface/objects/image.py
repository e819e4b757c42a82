"""<Image>: a picture, or several."""

import json
from dataclasses import dataclass
from typing import ClassVar
from xml.etree.ElementTree import Element

from backend.interface.objects.media import File
from backend.interface.objects.object_tag import ObjectTag, refuse_resolver
from model.types import Medium

MOST_PICTURES = 16
"""Of a list this many are read, spread evenly over it."""


@dataclass(frozen=True)
class Image(File):
    tag = "Image"
    kind = "image"
    medium: ClassVar[Medium] = "image"

    @classmethod
    def parse(cls, element: Element) -> ObjectTag:
        refuse_resolver(element)
        return Pictures() if element.get("valueList") else cls()

    def boxed(self) -> ObjectTag:
        return BoxedPictures()


@dataclass(frozen=True)
class Pictures(ObjectTag):
    """A list of addresses."""

    kind = "images"
    medium: ClassVar[Medium] = "images"

    def read(self, value: object) -> str | None:
        # Of a text, Label Studio's page takes each character for an address.
        items = value if isinstance(value, list) else []
        found = [item.strip() for item in items if isinstance(item, str) and item.strip()]
        return json.dumps(spread(found)) if found else None

    def boxed(self) -> ObjectTag:
        return BoxedPictures()


@dataclass(frozen=True)
class BoxedPictures(ObjectTag):
    """A picture, or a list of them, in which boxes are drawn: each keeps its place in the list."""

    kind = "proposals"
    medium: ClassVar[Medium] = "proposals"

    def read(self, value: object) -> str | None:
        items = value[:MOST_PICTURES] if isinstance(value, list) else [value]
        found = [item.strip() if isinstance(item, str) else "" for item in items]
        return json.dumps(found) if any(found) else None


def spread(found: list[str]) -> list[str]:
    """At most MOST_PICTURES of these, the first and the last among them."""
    if len(found) <= MOST_PICTURES:
        return found
    steps = MOST_PICTURES - 1
    return [found[round(step * (len(found) - 1) / steps)] for step in range(MOST_PICTURES)]


def addresses(part: str) -> list[str]:
    """Those that `Pictures.read` wrote down, or `BoxedPictures.read`, which has "" for none."""
    found: list[str] = json.loads(part)
    return found
