"""A model of which labels single parts show, learnt from the labels of the whole: frames of a clip,
windows of a long text.

A label is in a clip when one of its frames shows it: the probability that none does is the product
over the frames (noisy-or; Maron & Lozano-Perez 1998, "A Framework for Multiple-Instance Learning";
with a logistic model of each frame: Zhang, Platt & Viola 2005, "Multiple Instance Boosting for
Object Detection"). Pooled vectors cannot: they mix what one frame shows with all the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit

from model.heads.head import centred
from model.types import Floats

L2 = 0.1
"""Weight decay, relative to one clip's loss."""
MOST_LABELS = 128
"""Only the most frequent labels of a taxonomy: their scores are part of each clip's vector."""
RARE = 1e-6
"""The least probability that no frame shows a label, or that one does."""
FRAMES_FILE = "frames.safetensors"


@dataclass(frozen=True)
class PartHead:
    """A logistic model of single parts for c labels. Below, clips of frames stand for wholes of any
    parts.

    weights (d, c), bias (c,); centre (d,): the mean vector of a frame; middle (c,): the mean score
    of a clip. motion (1,): how much what moves counts in a clip's vector, 0 for not at all; see
    model.encoders.motion.
    """

    weights: Floats
    bias: Floats
    centre: Floats
    middle: Floats
    motion: Floats = field(default_factory=lambda: np.zeros(1, np.float32))

    def scores(self, frames: Floats, lengths: Sequence[int]) -> Floats:
        """Frames' vectors (sum of lengths, d), clip after clip, to scores of clips (n, c), float32:
        the log odds that a frame shows the label, about 0 on average.

        Raises ValueError if a clip has no frame.
        """
        features = centred(frames, self.centre)
        pooled = _log_odds(_absent(features @ self.weights + self.bias, lengths))
        result: Floats = (pooled - self.middle).astype(np.float32)
        return result

    def save(self, folder: Path, name: str = FRAMES_FILE) -> None:
        """Write it into a file of this name in a folder, from which `load_part_head` reads it."""
        arrays = {name: np.ascontiguousarray(array) for name, array in vars(self).items()}
        save_file(arrays, folder / name)


def load_part_head(folder: Path, name: str = FRAMES_FILE) -> PartHead | None:
    """What was saved in the folder under this name, if anything."""
    file = folder / name
    return PartHead(**load_file(file)) if file.exists() else None


def fit_part_head(frames: Floats, lengths: Sequence[int], targets: Floats) -> PartHead | None:
    """Fit it by L-BFGS on frames' vectors (sum of lengths, d) and clips' targets (n, c) of 0 and 1;
    None if no clip has a label.

    For those of the labels that a clip has, at most MOST_LABELS. Raises ValueError if a clip has no
    frame.
    """
    counts = targets.sum(axis=0)
    columns = np.sort(np.argsort(-counts, kind="stable")[: min((counts > 0).sum(), MOST_LABELS)])
    if len(columns) == 0:
        return None
    wanted = targets[:, columns].astype(np.float64)
    centre = frames.mean(axis=0, dtype=np.float64).astype(np.float32)
    ones = np.ones((len(frames), 1), np.float32)
    features = np.hstack([centred(frames, centre), ones]).astype(np.float64)
    clip_of = np.repeat(np.arange(len(lengths)), lengths)

    def loss_and_gradient(flat: Floats) -> tuple[float, Floats]:
        theta = flat.reshape(features.shape[1], -1)
        logits = features @ theta
        absent = _absent(logits, lengths)
        present = np.maximum(-np.expm1(absent), RARE)
        loss = -float((wanted * np.log(present) + (1.0 - wanted) * absent).sum())
        # By the log probability that no frame shows it, and of that by a frame's logit.
        error = wanted * np.exp(absent) / present - (1.0 - wanted)
        gradient = features.T @ (-expit(logits) * error[clip_of]) + L2 * theta
        return loss + 0.5 * L2 * float((theta**2).sum()), gradient.ravel()

    start = np.zeros((features.shape[1], len(columns)))
    start[-1] = _first_bias(wanted, lengths)
    options = {"maxiter": 200, "ftol": 1e-7}
    found = minimize(loss_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    theta = found.x.reshape(start.shape)
    middle = _log_odds(_absent(features @ theta, lengths)).mean(axis=0)
    arrays = (theta[:-1], theta[-1], centre, middle)
    return PartHead(*(array.astype(np.float32) for array in arrays))


def _first_bias(wanted: Floats, lengths: Sequence[int]) -> Floats:
    """The log odds (c,) with which frames make clips show each label as often as clips do."""
    shares = np.clip(wanted.mean(axis=0), 0.01, 0.99)
    result: Floats = logit(1.0 - (1.0 - shares) ** (1.0 / np.mean(lengths)))
    return result


def _absent(logits: Floats, lengths: Sequence[int]) -> Floats:
    """Logits of frames to the log probabilities (n, c) that no frame of a clip shows a label."""
    if 0 in lengths:
        raise ValueError("a clip needs at least one frame")
    starts = np.cumsum([0, *lengths])[:-1]
    result: Floats = np.add.reduceat(log_expit(-logits), starts, axis=0)
    return result


def _log_odds(absent: Floats) -> Floats:
    """log((1 - p) / p) of the log of p, within what RARE allows."""
    least = np.log(RARE)
    bounded = np.clip(absent, least, np.log1p(-RARE))
    result: Floats = np.log(-np.expm1(bounded)) - bounded
    return result
