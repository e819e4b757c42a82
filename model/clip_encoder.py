"""Clip encoder: the frames of a clip, by an image encoder, -> one vector a clip."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from model.frame_head import FrameHead, fit_frame_head
from model.image_encoder import ImageEncoder, unit
from model.spans import Tokens
from model.types import Floats

Clip = Sequence[Image.Image]
"""One or more frames."""


class ClipEncoder:
    """Clips to unit-length vectors of `dimension`: `clip_vectors`, and beside them, of the same
    weight, the scores of what `learn` found out about single frames.

    The image network stays as it is, so what it says of frames holds for all encoders on it.
    """

    def __init__(self, images: ImageEncoder, head: FrameHead | None = None) -> None:
        self._images = images
        self._head = head

    @property
    def dimension(self) -> int:
        """Of its vectors: 2 * d, and one more for each label that `learn` knows."""
        return 2 * self.frame_dimension + (0 if self._head is None else len(self._head.bias))

    @property
    def frame_dimension(self) -> int:
        """Of the vectors of frames: d."""
        return self._images.dimension

    def encode(self, clips: Sequence[Clip]) -> Floats:
        """Clips to vectors (n, dimension), float32, unit length."""
        return self.vectors(self.frames(clips))

    def frames(self, clips: Sequence[Clip]) -> Tokens:
        """What the network says of each frame, in float16: a clip's frames are its tokens, which
        have no places."""
        said = self._images.encode([frame for clip in clips for frame in clip])
        bounds = np.cumsum([0, *(len(clip) for clip in clips)])
        return Tokens(said.astype(np.float16), np.zeros((len(said), 2), np.int64), bounds)

    def vectors(self, frames: Tokens) -> Floats:
        """The vectors (n, dimension) of clips with these frames."""
        states, lengths = frames.states.astype(np.float32), np.diff(frames.bounds).tolist()
        pooled = clip_vectors(states, lengths)
        if self._head is None:
            return pooled
        return unit(np.hstack([pooled, unit(self._head.scores(states, lengths))]))

    def learn(self, frames: Tokens, targets: Floats) -> None:
        """Learn from the frames of clips and their labels (n, c) what single frames tell of these,
        see model.frame_head. All vectors are longer from then on."""
        self._head = fit_frame_head(frames.states, np.diff(frames.bounds).tolist(), targets)

    def save(self, folder: Path) -> None:
        """Write what `learn` found into a folder, for model.frame_head's `load_frame_head`."""
        if self._head is not None:
            self._head.save(folder)


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
