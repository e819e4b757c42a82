"""Clip encoder: what an image network says of a clip's frames -> one vector a clip."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from model.encoders.frame_head import FrameHead, fit_frame_head
from model.encoders.images import ImageEncoder, unit
from model.types import Floats

Clip = Sequence[Image.Image]
"""One or more frames."""


class ClipEncoder:
    """Clips to unit-length vectors of `dimension`: `clip_vectors`, and beside them, of the same
    weight, the scores of what `learn` found out about single frames.

    The image network stays as it is, so what it says of a clip (`read`) holds for all encoders on
    it and needs to be asked only once.
    """

    def __init__(self, images: ImageEncoder, head: FrameHead | None = None) -> None:
        self._images = images
        self._head = head

    @property
    def dimension(self) -> int:
        """Of its vectors: 2 * d, and one more for each label that `learn` knows."""
        return 2 * self.state_dimension + (0 if self._head is None else len(self._head.bias))

    @property
    def state_dimension(self) -> int:
        """Of what the network says of a frame: d."""
        return self._images.dimension

    def read(self, clip: Clip) -> Floats:
        """What the network says of each frame: states (f, d), float16."""
        return self._images.encode(clip).astype(np.float16)

    def encode(self, clips: Sequence[Floats]) -> Floats:
        """What was read of clips, states (f, d) each, to vectors (n, dimension), float32, unit
        length."""
        states, lengths = self._joined(clips)
        pooled = clip_vectors(states, lengths)
        if self._head is None:
            return pooled
        return unit(np.hstack([pooled, unit(self._head.scores(states, lengths))]))

    def learn(self, clips: Sequence[Floats], targets: Floats) -> None:
        """Learn from what was read of clips and their labels (n, c) what single frames tell of
        these, see model.encoders.frame_head. All vectors are longer from then on."""
        self._head = fit_frame_head(*self._joined(clips), targets)

    def save(self, folder: Path) -> None:
        """Write what `learn` found into a folder, for `load_frame_head`."""
        if self._head is not None:
            self._head.save(folder)

    def _joined(self, clips: Sequence[Floats]) -> tuple[Floats, list[int]]:
        """The states of all frames, clip after clip, and how many each clip has."""
        nothing = np.zeros((0, self.state_dimension), np.float32)
        joined: Floats = np.concatenate([nothing, *clips]).astype(np.float32)
        return joined, [len(clip) for clip in clips]


def clip_vectors(vectors: Floats, lengths: Sequence[int]) -> Floats:
    """Frames' vectors (sum of lengths, d), clip after clip, to clips' vectors (n, 2 * d), float32,
    unit length: the mean of a clip's frames and beside it their maximum, both of the same length.

    The mean tells what is there most of the time, the maximum what is there for a moment.
    Raises ValueError if a clip has no frame.
    """
    if 0 in lengths:
        raise ValueError("a clip needs at least one frame")
    parts = np.split(vectors, np.cumsum(lengths, dtype=np.int64)[:-1]) if lengths else []
    shape = (len(lengths), vectors.shape[1])
    means = np.array([part.mean(axis=0) for part in parts], dtype=np.float32).reshape(shape)
    peaks = np.array([part.max(axis=0) for part in parts], dtype=np.float32).reshape(shape)
    return unit(np.hstack([unit(means), unit(peaks)]))
