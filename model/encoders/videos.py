"""Video encoder: a transformers model of videos from a folder or hub name, clips -> vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel

from model.encoders.errors import UNLOADABLE, NotAnEncoder
from model.encoders.precision import bf16_pays
from model.encoders.text import quiet_loader
from model.encoders.vectors import standardised, unit
from model.types import Floats

MOST_FRAMES = 128
"""A network that wants more frames of a clip is refused: they are decoded one by one."""


class VideoEncoder:
    """Clips to unit-length vectors of `dimension`, read by a network that sees all frames of a clip
    at once, such as VideoMAE, ViViT or TimeSformer. Not for use by several threads at once.

    The network is never tuned, so a clip's state (`read`) needs to be computed only once.
    """

    def __init__(self, name: str) -> None:
        """Load from `name`, a folder or a hub name. Raises NotAnEncoder."""
        quiet_loader()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        kind = torch.bfloat16 if bf16_pays(self.device) else torch.float32
        try:
            self._processor: Any = AutoImageProcessor.from_pretrained(name, backend="pil")  # type: ignore[no-untyped-call]
            network = AutoModel.from_pretrained(name, dtype=torch.float32)
            self._network: Any = network.to(self.device, kind).eval()
            self.frames = _frames_of(network.config)
            blank = [Image.new("RGB", (64, 64))] * self.frames
            self.state_dimension = self._pooled(blank).shape[1]
        except UNLOADABLE as error:
            raise NotAnEncoder(
                name,
                "footage",
                "it must be a folder with a transformers model of videos and its "
                "preprocessor_config.json, or the name of one on the Hugging Face hub, such as "
                f"MCG-NJU/videomae-base ({error})",
            ) from error

    @property
    def dimension(self) -> int:
        """The width of its vectors."""
        return int(self.state_dimension)

    def read(self, clip: Sequence[Image.Image]) -> Floats:
        """A clip of one or more frames, spread evenly over it, to one state (1, dimension),
        float16. Of fewer frames than the network reads, some are shown several times."""
        places = np.linspace(0, len(clip) - 1, self.frames).round().astype(np.int64)
        return standardised(self._pooled([clip[place] for place in places])).astype(np.float16)

    def encode(self, clips: Sequence[Floats]) -> Floats:
        """The states of clips, (1, dimension) each, to vectors (n, dimension), float32, unit
        length."""
        nothing = np.zeros((0, self.state_dimension), np.float32)
        return unit(np.concatenate([nothing, *clips]).astype(np.float32))

    def _pooled(self, frames: Sequence[Image.Image]) -> Floats:
        """The mean of the network's last states (1, d), float32."""
        read = self._processor(list(frames), return_tensors="pt")
        pixels = next(values for name, values in read.items() if name.startswith("pixel_values"))
        if pixels.ndim == 4:  # of processors of pictures: (frames, channels, height, width)
            pixels = pixels[None]
        with torch.inference_mode():
            output = self._network(pixels.to(self.device, self._network.dtype))
        states = output.get("last_hidden_state")
        if states is None:
            raise ValueError("its network gives no hidden states")
        pooled: Floats = states.float().mean(dim=1).cpu().numpy()
        return pooled


def _frames_of(config: Any) -> int:
    """How many frames of a clip a network of this configuration reads."""
    for name in ("num_frames", "frames_per_clip"):
        frames = getattr(config, name, None)
        if isinstance(frames, int) and 0 < frames <= MOST_FRAMES:
            return frames
    raise ValueError("its config.json does not say how many frames of a clip it reads")
