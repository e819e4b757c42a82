"""<Image>: a picture."""

from dataclasses import dataclass
from typing import ClassVar

from backend.interface.objects.media import File
from model.types import Medium


@dataclass(frozen=True)
class Image(File):
    tag = "Image"
    kind = "image"
    medium: ClassVar[Medium] = "image"
