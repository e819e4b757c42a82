"""The object tags that are read, a file each. A new one is a file and a line here."""

from backend.interface.objects.chat import Chat
from backend.interface.objects.document import Filed, filed
from backend.interface.objects.hypertext import HyperText
from backend.interface.objects.image import Image
from backend.interface.objects.media import Audio, Video
from backend.interface.objects.object_tag import ObjectTag
from backend.interface.objects.paragraphs import Paragraphs
from backend.interface.objects.pdf import Pdf
from backend.interface.objects.table import Table
from backend.interface.objects.text import Text

OBJECTS: dict[str, type[ObjectTag]] = {
    "Text": Text,
    "HyperText": HyperText,
    "Paragraphs": Paragraphs,
    "Table": Table,
    "Chat": Chat,
    "Pdf": Pdf,
    "Image": Image,
    "Video": Video,
    "Audio": Audio,
}
"""Tag -> what it shows, in the order in which messages list them: what questions are asked
about."""
ALSO_SHOWN: dict[str, type[ObjectTag]] = {"Header": Text, "Markdown": Text}
"""Tags that show something, too, though no question can be asked about it."""


def file_in(part: str) -> Filed:
    """The file that a part of the medium "document" stands for."""
    return filed(part, {one.kind: one for one in OBJECTS.values()})
