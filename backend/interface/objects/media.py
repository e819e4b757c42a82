"""<Image>, <Video> and <Audio>: files, of which a task holds the addresses."""

from dataclasses import dataclass
from typing import ClassVar
from xml.etree.ElementTree import Element

from backend.interface.objects.object_tag import ObjectTag, refuse_lists
from model.types import Medium


@dataclass(frozen=True)
class File(ObjectTag):
    @classmethod
    def parse(cls, element: Element) -> ObjectTag:
        refuse_lists(element)
        return cls()

    def read(self, value: object) -> str | None:
        return (value.strip() or None) if isinstance(value, str) else None


@dataclass(frozen=True)
class Video(File):
    tag = "Video"
    kind = "video"
    medium: ClassVar[Medium] = "video"

    def parts(self) -> tuple[ObjectTag, ...]:
        return self, Track()


@dataclass(frozen=True)
class Track(File):
    """The sound of a clip."""

    kind = "track"
    medium: ClassVar[Medium] = "track"


@dataclass(frozen=True)
class Audio(File):
    tag = "Audio"
    kind = "audio"
    medium: ClassVar[Medium] = "audio"

    def marked(self) -> ObjectTag:
        return MarkedAudio()


@dataclass(frozen=True)
class MarkedAudio(File):
    """A sound in which pieces are marked."""

    kind = "steps"
    medium: ClassVar[Medium] = "steps"
