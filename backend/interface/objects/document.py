"""What stands in a file of which the task holds the address: a text, a page, a dialogue, a PDF."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import BinaryIO, ClassVar

from backend.interface.objects.object_tag import ObjectTag
from model.media.errors import UnreadableMedia
from model.types import Medium


@dataclass(frozen=True)
class Document(ObjectTag):
    """content: the object tag that reads what stands in the file."""

    kind = "document"
    medium: ClassVar[Medium] = "document"
    content: ObjectTag

    def read(self, value: object) -> str | None:
        """The address, and how the file is to be read."""
        address = value.strip() if isinstance(value, str) else ""
        return json.dumps([self.content.kind, address, *astuple(self.content)]) if address else None

    def identity(self) -> tuple[object, ...]:
        return (self.kind, *self.content.identity())


@dataclass(frozen=True)
class Filed:
    """A file that a task shows: where it is, and the object tag that reads it."""

    address: str
    content: ObjectTag

    @property
    def may_be_a_page(self) -> bool:
        """Whether it may come as a web page, as messages of servers do as well."""
        return self.content.kind == "html"

    def text(self, file: BinaryIO, most: int) -> str:
        """The first `most` characters of what it shows. Raises UnreadableMedia."""
        text = self.content.read_file(file, most)
        if text is None:
            raise UnreadableMedia("there is no text in it")
        return text[:most]


def filed(part: str, contents: Mapping[str, type[ObjectTag]]) -> Filed:
    """What `Document.read` wrote down. contents: the object tags by their kind."""
    kind, address, *settings = json.loads(part)
    return Filed(address, contents[kind](*settings))
