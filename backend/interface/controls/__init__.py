"""The control tags that can be learnt, a file each. A new one is a file and a line here."""

from typing import Any

from backend.interface.controls.audio_labels import AudioLabels
from backend.interface.controls.boxes import BoxLabels, RectangleLabels
from backend.interface.controls.choices import Choices
from backend.interface.controls.control import Control
from backend.interface.controls.labels import Labels
from backend.interface.controls.number import Number
from backend.interface.controls.pairwise import Pairwise
from backend.interface.controls.paragraph_labels import ParagraphLabels
from backend.interface.controls.ranker import Ranker
from backend.interface.controls.rating import Rating
from backend.interface.controls.taxonomy import Taxonomy

CONTROLS: dict[str, type[Control[Any]]] = {
    "Choices": Choices,
    "Taxonomy": Taxonomy,
    "Rating": Rating,
    "Number": Number,
    "Pairwise": Pairwise,
    "Ranker": Ranker,
    "Labels": Labels,
    "ParagraphLabels": ParagraphLabels,
    "RectangleLabels": RectangleLabels,
}
"""Tag -> control, in the order in which messages list them."""

OVER: dict[tuple[str, str], type[Control[Any]]] = {
    ("Labels", "Audio"): AudioLabels,
    ("Labels", "Image"): BoxLabels,
}
"""Control and object tag -> the control, where it is another one over this object."""
