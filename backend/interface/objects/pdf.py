"""<Pdf>: the text of a PDF file."""

from dataclasses import dataclass
from typing import BinaryIO
from xml.etree.ElementTree import Element

from backend.interface.objects.document import Document
from backend.interface.objects.object_tag import ObjectTag, one_line, refuse_lists


@dataclass(frozen=True)
class Pdf(ObjectTag):
    tag = "Pdf"
    kind = "pdf"

    @classmethod
    def parse(cls, element: Element) -> ObjectTag:
        refuse_lists(element)
        return Document(cls())

    def read(self, value: object) -> str | None:
        return one_line(value) or None if isinstance(value, str) else None

    def read_file(self, file: BinaryIO, most: int) -> str | None:
        from model.media.pdfs import read_pdf  # noqa: PLC0415 (the server reads no files)

        return self.read(read_pdf(file, most))
