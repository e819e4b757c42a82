"""Image encoder: a transformers model from a folder or hub name, pictures -> vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModel

from model.encoders.errors import UNLOADABLE, NotAnEncoder
from model.encoders.precision import TrainableNetwork
from model.encoders.text import quiet_loader
from model.encoders.vectors import unit
from model.types import Floats

BATCH = 32
"""Pictures encoded at once."""


class ImageEncoder(TrainableNetwork):
    """Pictures to unit-length vectors of `dimension`. Not for use by several threads at once."""

    def __init__(self, name: str) -> None:
        """Load from `name`, a folder or a hub name. Raises NotAnEncoder."""
        quiet_loader()
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self.processor = _processor(name)
            # Convolutions are a quarter faster with the colours of a pixel side by side.
            network = _network(name).to(device, memory_format=torch.channels_last)
        except UNLOADABLE as error:
            raise NotAnEncoder(
                name,
                "image",
                "it must be a folder with a transformers model and its preprocessor_config.json, "
                f"or the name of one on the Hugging Face hub ({error})",
            ) from error
        super().__init__(network.eval(), device)
        with torch.inference_mode():
            blank = Image.new("RGB", (64, 64))
            self.dimension = self._pooled(self.network, [blank]).shape[1]

    def encode(self, pictures: Sequence[Image.Image]) -> Floats:
        """RGB pictures to vectors (n, dimension), float32, unit length."""
        return unit(self.pool(pictures))

    def pool(self, pictures: Sequence[Image.Image]) -> Floats:
        """RGB pictures to pooled states (n, dimension), float32: vectors before normalisation."""
        pooled = np.zeros((len(pictures), self.dimension), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(pictures), BATCH):
                batch = pictures[start : start + BATCH]
                pooled[start : start + BATCH] = self._pooled(self.reader(), batch).cpu().numpy()
        return pooled

    def forward(self, pictures: Sequence[Image.Image]) -> Tensor:
        """A batch of pictures to pooled states (n, dimension), float32, with gradients if on."""
        return self._pooled(self.network, pictures)

    def _pooled(self, network: nn.Module, pictures: Sequence[Image.Image]) -> Tensor:
        # Without input_data_format, three rows of pixels would be taken for colour channels.
        read = self.processor(
            images=list(pictures), return_tensors="pt", input_data_format="channels_last"
        )
        kind = next(network.parameters()).dtype
        pixels = read["pixel_values"].to(self.device, kind)
        with self.autocast(network):
            output = network(pixel_values=pixels)
        pooled = output.get("pooler_output")
        if pooled is None:
            pooled = _mean_or_first(output.last_hidden_state, network)
        flat: Tensor = pooled.flatten(1).float()
        return flat

    def save(self, folder: Path) -> None:
        """Write a plain transformers folder (safetensors) with the processor's settings."""
        self.network.save_pretrained(folder)
        self.processor.save_pretrained(folder)


def _processor(name: str) -> Any:
    # Pillow resizes in the same way everywhere; torchvision may be there or not.
    return AutoImageProcessor.from_pretrained(name, backend="pil")  # type: ignore[no-untyped-call]


def _network(name: str) -> Any:
    """The image half of the model of this name, without a pooler that was never trained."""
    whole, found = AutoModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    network = getattr(whole, "vision_model", whole)  # CLIP and similar models also read texts
    if any(key.startswith("pooler.") for key in found["missing_keys"]):
        network.pooler = None
    return network


def _mean_or_first(states: Tensor, network: nn.Module) -> Tensor:
    """Last states to pooled ones (n, d): the mean of a map (n, d, h, w) or of tokens (n, t, d),
    and the class token where the network has one."""
    if states.ndim == 4:
        return states.mean(dim=(2, 3))
    has_class = any("cls_token" in key or "class_" in key for key, _ in network.named_parameters())
    return states[:, 0] if has_class else states.mean(dim=1)
