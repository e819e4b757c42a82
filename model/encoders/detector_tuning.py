"""Deep training of a detector: fine-tune it on people's boxes with its own loss."""

import math
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.boxes.geometry import Box
from model.boxes.learner import LEAST_SURE, found_boxes
from model.boxes.measures import mean_average_precision
from model.encoders.layers import train_mode
from model.encoders.proposals import ProposalEncoder
from model.media.pictures import Page

BATCH = 4
"""Pictures of a step, at most."""
EPOCHS = 20
MIN_STEPS, MAX_STEPS = 60, 600
MOST_SECONDS = 1800.0
"""A deep round takes no more steps than fit into this time."""
LEARNING_RATE, BACKBONE_RATE = 1e-4, 1e-5
"""Of all else, and of the network that reads the picture, as in Deformable DETR (Zhu et al. 2021,
arXiv:2010.04159)."""
HEAD_RATE = 1e-3
"""Of weights that begin at random."""
BACKBONE = ("backbone", "vit.embeddings", "vit.encoder")
"""What the names of the weights that read the picture contain."""
TIMED = 3
"""After so many steps it is known how long one takes."""
WARMUP = 0.1
CHECKS, PATIENCE = 8, 3
"""Times that a round measures the detector on held-out pictures, and how often in a row it may be
worse than the best so far."""
LARGEST_GRADIENT = 0.1


@dataclass(frozen=True)
class DrawnPictures:
    """Examples with boxes: the pictures of each, which `read` gives by its number, and the boxes
    in them."""

    read: Callable[[int], Sequence[Page]]
    boxes: Sequence[Sequence[Box]]


@dataclass(frozen=True)
class DetectorReport:
    """What a tuning did. train_loss: the mean of the last steps; best: the highest mAP on held-out
    pictures, None where there were none; seconds: that it took."""

    steps: int
    best_step: int
    train_loss: float
    best: float | None
    seconds: float


def tune_detector(
    detector: ProposalEncoder,
    training: DrawnPictures,
    validation: DrawnPictures,
    labels: Sequence[str],
    *,
    seed: int,
    advanced: Callable[[float], object] = lambda share: None,
    steps: int | None = None,
) -> DetectorReport:
    """Tune the detector in place to find these labels. `advanced` is told the share that is done.

    The loss is the detector's own: each box goes to the query that fits it best, all others learn
    that nothing is there. AdamW with warm-up and decay; half of the pictures are mirrored. The
    weights with the highest mAP on the validation pictures stay. At most `steps`, or as many as
    suit the examples and MOST_SECONDS. Raises ValueError when there are no training pictures.
    """
    drawn = [(row, page) for row, boxes in enumerate(training.boxes) for page in _pages_of(boxes)]
    if not drawn:
        raise ValueError("tuning a detector needs at least one picture with boxes")
    began = time.monotonic()
    rng = np.random.default_rng(seed)
    known = {thing.casefold() for thing in detector.things}
    is_known = known >= {label.casefold() for label in labels}
    head: Set[str] = frozenset() if tuple(labels) == detector.things else detector.ask_for(labels)
    torch.manual_seed(seed)
    network = detector.network
    optimizer = torch.optim.AdamW(
        _groups(network, frozenset() if is_known else head), weight_decay=1e-4
    )
    peaks = [group["lr"] for group in optimizer.param_groups]
    best = _Best(detector, validation, labels)
    losses: list[float] = []
    total = steps or steps_for(len(drawn))
    train_mode(network)
    while len(losses) < total and not best.is_stale:
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * _pace(len(losses) + 1, total)
        chosen = rng.choice(len(drawn), min(BATCH, len(drawn)), replace=False)
        loss = _loss(detector, training, [drawn[place] for place in chosen.tolist()], labels, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        losses.append(loss.item())
        if steps is None and len(losses) == TIMED:
            pace = (time.monotonic() - began) / TIMED
            total = min(total, max(TIMED, int(MOST_SECONDS / pace)))
        advanced(len(losses) / total)
        if len(losses) == total or len(losses) % max(1, total // CHECKS) == 0:
            best.offer(len(losses))
    best.restore()
    network.eval()
    seconds = round(time.monotonic() - began, 1)
    recent = float(np.mean(losses[-20:]))
    return DetectorReport(len(losses), best.step or len(losses), recent, best.precision, seconds)


def steps_for(pictures: int) -> int:
    """How many steps to take on this many pictures."""
    return min(max(MIN_STEPS, math.ceil(EPOCHS * pictures / BATCH)), MAX_STEPS)


class _Best:
    """The best weights so far; `is_stale` after PATIENCE measurements without better ones."""

    def __init__(
        self, detector: ProposalEncoder, validation: DrawnPictures, labels: Sequence[str]
    ) -> None:
        self.precision: float | None = None
        self.step = 0
        self.is_stale = False
        self._detector, self._validation, self._labels = detector, validation, labels
        self._weights: dict[str, Tensor] = {}
        self._misses = 0

    def offer(self, step: int) -> None:
        """Measure the detector as it is now, if there is anything to measure it on."""
        if not self._validation.boxes:
            return
        network = self._detector.network
        network.eval()
        reached = precision_of(self._detector, self._validation, self._labels)
        train_mode(network)
        if reached is None or (self.precision is not None and reached <= self.precision):
            self._misses += 1
            self.is_stale = self._misses >= PATIENCE
            return
        self.precision, self.step, self._misses = reached, step, 0
        self._weights = {name: one.clone() for name, one in network.state_dict().items()}

    def restore(self) -> None:
        if self._weights:
            self._detector.network.load_state_dict(self._weights)


def precision_of(
    detector: ProposalEncoder, pictures: DrawnPictures, labels: Sequence[str]
) -> float | None:
    """mAP of the detector by itself, which finds these labels; None without any box."""
    found = []
    for row in range(len(pictures.boxes)):
        proposals = detector.encode([pictures.read(row)])
        probs = np.hstack([np.zeros((len(proposals.states), 1)), proposals.scores])
        found += found_boxes(probs.astype(np.float32), proposals, labels, LEAST_SURE)
    return mean_average_precision(found, pictures.boxes, labels)


def _pages_of(boxes: Sequence[Box]) -> list[int]:
    """The pages to learn from: those with boxes, or the first one where nothing was drawn at
    all."""
    return sorted({box.page for box in boxes}) or [0]


def _groups(network: Any, new: Set[str]) -> list[dict[str, Any]]:
    """The weights to tune, with their learning rates. new: the names of those that begin at
    random."""
    groups: dict[float, list[Tensor]] = {LEARNING_RATE: [], BACKBONE_RATE: [], HEAD_RATE: []}
    for name, weight in network.named_parameters():
        if any(one in name for one in BACKBONE):
            groups[BACKBONE_RATE].append(weight)
        else:
            groups[HEAD_RATE if name in new else LEARNING_RATE].append(weight)
    return [{"params": some, "lr": rate} for rate, some in groups.items() if some]


def _loss(
    detector: ProposalEncoder,
    training: DrawnPictures,
    chosen: Sequence[tuple[int, int]],
    labels: Sequence[str],
    rng: np.random.Generator,
) -> Tensor:
    """The detector's mean loss of these pictures, by their rows and numbers, which are read one by
    one: not every detector can leave out what fills up a smaller one."""
    losses = []
    for row, number in chosen:
        page = next((one for one in training.read(row) if one.number == number), None)
        if page is None:
            continue  # there is no picture in this place of the task's list
        boxes = [box for box in training.boxes[row] if box.page == number]
        is_mirrored = bool(rng.integers(2))
        target = _target(boxes, labels, detector.device, is_mirrored=is_mirrored)
        picture = page.picture
        if is_mirrored:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        losses.append(detector.network(**detector.read([picture]), labels=[target]).loss)
    if not losses:
        return torch.zeros((), requires_grad=True)
    result: Tensor = torch.stack(losses).mean()
    return result


def _target(
    boxes: Sequence[Box], labels: Sequence[str], device: torch.device, *, is_mirrored: bool
) -> dict[str, Tensor]:
    """The boxes of a picture as detectors take them: centres and sizes."""
    numbers = {label: number for number, label in enumerate(labels)}
    places = []
    for box in boxes:
        across = box.x + box.width / 2
        across = 1.0 - across if is_mirrored else across
        places.append((across, box.y + box.height / 2, box.width, box.height))
    kinds = [numbers[box.label] for box in boxes]
    return {
        "class_labels": torch.tensor(kinds, dtype=torch.int64, device=device),
        "boxes": torch.tensor(places, dtype=torch.float32, device=device).reshape(-1, 4),
    }


def _pace(step: int, total: int) -> float:
    """Learning rate as a share of its peak: linear up over WARMUP, linear down to 0."""
    rising = step / max(1.0, WARMUP * total)
    falling = (total - step + 1) / max(1.0, (1.0 - WARMUP) * total)
    return min(rising, falling, 1.0)
