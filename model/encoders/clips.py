"""Clip encoder: an image network's states for the frames of a clip -> one vector a clip."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from model.encoders.images import ImageEncoder
from model.encoders.motion import WEIGHT, is_about_motion, trends
from model.encoders.part_head import PartHead, fit_part_head
from model.encoders.vectors import unit
from model.types import Floats

Clip = Sequence[Image.Image]
"""One or more frames."""


class ClipEncoder:
    """Clips to unit-length vectors of `dimension`: `clip_vectors`, followed with the same weight by
    the scores of the model of single frames that `learn` fits and, where labels are about motion,
    by `trends`.

    The image network is never tuned, so a clip's states (`read`) are the same for all encoders made
    with it and need to be computed only once.
    """

    def __init__(self, images: ImageEncoder, head: PartHead | None = None) -> None:
        self._images = images
        self._head = head

    @property
    def dimension(self) -> int:
        """The width of its vectors: 2 * d, plus one for each label that `learn` has fitted, and d
        if it found that labels are about motion."""
        if self._head is None:
            return 2 * self.state_dimension
        return (3 if self._head.motion > 0 else 2) * self.state_dimension + len(self._head.bias)

    @property
    def state_dimension(self) -> int:
        """The width d of the network's state for a frame."""
        return self._images.dimension

    def read(self, clip: Clip) -> Floats:
        """A clip of f frames to their states (f, d), float16."""
        return self._images.encode(clip).astype(np.float16)

    def encode(self, clips: Sequence[Floats]) -> Floats:
        """The states of clips, (f, d) each, to vectors (n, dimension), float32, unit length."""
        states, lengths = self._joined(clips)
        pooled = clip_vectors(states, lengths)
        if self._head is None:
            return pooled
        parts = [pooled, unit(self._head.scores(states, lengths))]
        if self._head.motion > 0:
            parts.append(self._head.motion * trends(states, lengths))
        return unit(np.hstack(parts))

    def learn(self, clips: Sequence[Floats], targets: Floats) -> None:
        """Fit a model of single frames to clips' states, (f, d) each, and labels (n, c), see
        model.encoders.part_head, and find out whether these are about motion. All vectors are
        longer from then on."""
        states, lengths = self._joined(clips)
        head = fit_part_head(states, lengths, targets)
        if head is not None:
            still = clip_vectors(states, lengths)
            moving = unit(np.hstack([still, WEIGHT * trends(states, lengths)]))
            if is_about_motion(still, moving, targets):
                head = replace(head, motion=np.full(1, WEIGHT, np.float32))
        self._head = head

    def save(self, folder: Path) -> None:
        """Write the model of single frames into a folder, for `load_part_head`."""
        if self._head is not None:
            self._head.save(folder)

    def _joined(self, clips: Sequence[Floats]) -> tuple[Floats, list[int]]:
        """The states of all frames, clip after clip, and how many each clip has."""
        nothing = np.zeros((0, self.state_dimension), np.float32)
        joined: Floats = np.concatenate([nothing, *clips]).astype(np.float32)
        return joined, [len(clip) for clip in clips]


def clip_vectors(vectors: Floats, lengths: Sequence[int]) -> Floats:
    """Frames' vectors (sum of lengths, d), clip after clip, to clips' vectors (n, 2 * d), float32,
    unit length: the mean of a clip's frames followed by their maximum, both of the same length.

    The mean shows what is there most of the time, the maximum what is there for a moment.
    Raises ValueError if a clip has no frame.
    """
    if 0 in lengths:
        raise ValueError("a clip needs at least one frame")
    parts = np.split(vectors, np.cumsum(lengths, dtype=np.int64)[:-1]) if lengths else []
    shape = (len(lengths), vectors.shape[1])
    means = np.array([part.mean(axis=0) for part in parts], dtype=np.float32).reshape(shape)
    peaks = np.array([part.max(axis=0) for part in parts], dtype=np.float32).reshape(shape)
    return unit(np.hstack([unit(means), unit(peaks)]))
