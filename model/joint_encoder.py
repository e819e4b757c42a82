"""One vector for all that an example consists of: its text, its pictures, its clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from model.clips import encode_clips
from model.encoder import TextEncoder
from model.image_encoder import ImageEncoder, unit
from model.store import EncoderSpec
from model.types import Floats, Medium

BATCH = 32
"""Examples of several parts read at once."""

Part = str | Image | list[Image]
"""A text, a picture, or the frames of a clip."""
Example = tuple[Part | None, ...]
"""The parts of an example in the layout's order; None where one is missing."""


class JointEncoder:
    """Examples to unit-length vectors of `dimension`: the vectors of their parts side by side, each
    of the same weight, zeros for what is missing. Not safe for use by several threads at once.

    With one part only it is that part's encoder and nothing more.
    """

    def __init__(self, spec: EncoderSpec, folder: Path | None = None) -> None:
        """Load the networks that `spec` names, or their fine-tuned weights from `folder`.

        Raises OSError where a name is no encoder.
        """
        self.layout = spec.layout
        self._of_text: TextEncoder | None = None
        self._of_pictures: ImageEncoder | None = None
        if spec.text:
            own = folder and (folder / "text" if spec.image else folder)
            self._of_text = TextEncoder(str(own or spec.text), spec.max_tokens)
        if spec.image:
            own = folder and (folder / "image" if spec.text else folder)
            self._of_pictures = ImageEncoder(str(own or spec.image))
        encoders = {"text": self._of_text, "image": self._of_pictures}
        networks = {name: one.network for name, one in encoders.items() if one is not None}
        self.network = (
            nn.ModuleDict(networks) if len(networks) > 1 else next(iter(networks.values()))
        )
        self.device = next(self.network.parameters()).device
        widths = [self._width(medium) for medium in spec.layout]
        self.dimension = sum(widths)
        ends = np.cumsum(widths).tolist()
        self._columns = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]

    def encode(self, examples: Sequence[Example]) -> Floats:
        """Examples to vectors (n, dimension), float32, unit length."""
        alone = self._alone()
        if alone is not None:
            return alone.encode(_firsts(examples))
        found = np.zeros((len(examples), self.dimension), dtype=np.float32)
        for place, columns in enumerate(self._columns):
            rows, parts = _there(examples, place)
            if rows:
                found[rows, columns] = self._encode(self.layout[place], parts)
        return unit(found)

    def pool(self, examples: Sequence[Example]) -> Floats:
        """Examples to pooled states (n, dimension), float32, as `forward` gives them."""
        alone = self._alone()
        if alone is not None:
            return alone.pool(_firsts(examples))
        batches = (examples[start : start + BATCH] for start in range(0, len(examples), BATCH))
        with torch.inference_mode():
            pooled = [self.forward(batch).cpu().numpy() for batch in batches]
        return np.concatenate([np.zeros((0, self.dimension), np.float32), *pooled])

    def forward(self, examples: Sequence[Example]) -> Tensor:
        """One batch to pooled states (n, dimension), with gradients if on: of several parts each of
        unit length. Clips have no gradients: a batch of their frames would take seconds."""
        alone = self._alone()
        if alone is not None:
            return alone.forward(_firsts(examples))
        states = torch.zeros((len(examples), self.dimension), device=self.device)
        for place, columns in enumerate(self._columns):
            rows, parts = _there(examples, place)
            if rows:
                states[rows, columns] = self._forward(self.layout[place], parts)
        return states

    def save(self, folder: Path) -> None:
        """Write plain transformers folders: this one for a single network, else one inside each."""
        for name, encoder in (("text", self._of_text), ("image", self._of_pictures)):
            if encoder is not None:
                own = folder / name if self._of_text and self._of_pictures else folder
                own.mkdir(exist_ok=True)
                encoder.save(own)

    def _alone(self) -> TextEncoder | ImageEncoder | None:
        """The encoder of the only part, for layouts of one part that is no clip."""
        if self.layout == ("text",):
            return self._of_text
        return self._of_pictures if self.layout == ("image",) else None

    def _width(self, medium: Medium) -> int:
        if medium == "text":
            return self._text.dimension
        return self._pictures.dimension * (2 if medium == "video" else 1)

    def _encode(self, medium: Medium, parts: list[Any]) -> Floats:
        if medium == "text":
            return self._text.encode(parts)
        if medium == "image":
            return self._pictures.encode(parts)
        return encode_clips(self._pictures, parts)

    def _forward(self, medium: Medium, parts: list[Any]) -> Tensor:
        if medium == "video":
            with torch.no_grad():
                return torch.as_tensor(encode_clips(self._pictures, parts), device=self.device)
        encoder = self._text if medium == "text" else self._pictures
        return nn.functional.normalize(encoder.forward(parts), dim=1)

    @property
    def _text(self) -> TextEncoder:
        assert self._of_text is not None
        return self._of_text

    @property
    def _pictures(self) -> ImageEncoder:
        assert self._of_pictures is not None
        return self._of_pictures


def _firsts(examples: Sequence[Example]) -> list[Any]:
    return [example[0] for example in examples]


def _there(examples: Sequence[Example], place: int) -> tuple[list[int], list[Any]]:
    """The rows of the examples that have this part, and the parts."""
    there = [(row, one[place]) for row, one in enumerate(examples) if one[place] is not None]
    return [row for row, _ in there], [part for _, part in there]
