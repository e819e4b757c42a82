"""Deep training: fine-tune the encoder under a linear head, keep the best checkpoint."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from model.encoder import TextEncoder, batches_of_similar_length
from model.types import Floats, Ints, Kind, Progress

BATCH = 16
EPOCHS = 6
MIN_STEPS, MAX_STEPS = 60, 600
LEARNING_RATE = 2e-4
HEAD_LEARNING_RATE = 2e-3
WARMUP = 0.1
CHECK_EVERY = 20
PATIENCE = 3
MIN_VALIDATION = 10
"""With fewer validation labels than this, training runs all its steps and the last weights stay:
a choice by three or four labels is noise."""


@dataclass(frozen=True)
class Examples:
    """Texts and their targets (n, c) of 0 and 1."""

    texts: Sequence[str]
    targets: Floats

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Report:
    """What a deep training did. Losses are means a text; None where nothing was measured."""

    steps: int
    best_step: int
    train_loss: float
    validation_loss: float | None


def finetune(
    encoder: TextEncoder,
    training: Examples,
    validation: Examples,
    kind: Kind,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Report:
    """Fine-tune `encoder` in place on the training examples.

    Cross-entropy for `single`, binary cross-entropy a label for `multiple`; AdamW with linear
    warm-up and decay, word embeddings frozen (they are half of the weights and no small set of
    labels teaches them anything). Early stopping on the validation loss, best weights restored.
    Raises ValueError when there are no training examples.
    """
    if len(training) == 0:
        raise ValueError("fine-tuning needs at least one labelled example")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = nn.Linear(encoder.dimension, training.targets.shape[1]).to(encoder.device)
    frozen = encoder.network.get_input_embeddings().weight
    frozen.requires_grad_(False)
    tuned = [weight for weight in encoder.network.parameters() if weight.requires_grad]
    total = min(max(MIN_STEPS, math.ceil(EPOCHS * len(training) / BATCH)), MAX_STEPS)
    optimizer = torch.optim.AdamW(
        [
            {"params": tuned, "lr": LEARNING_RATE},
            {"params": head.parameters(), "lr": HEAD_LEARNING_RATE},
        ],
        weight_decay=0.01,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _pace(step, total))
    best = _Best()
    losses: list[float] = []
    encoder.network.train()
    step = 0
    while step < total and not best.stale:
        for rows in _shuffled_batches(training.texts, rng):
            targets = torch.as_tensor(training.targets[rows]).to(encoder.device)
            logits = head(encoder.forward([training.texts[row] for row in rows]))
            loss = _loss(logits, targets, kind)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(tuned, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            step += 1
            if progress is not None:
                progress(step / total)
            if step % CHECK_EVERY == 0 and len(validation) >= MIN_VALIDATION:
                best.offer(step, _validation_loss(encoder, head, validation, kind), encoder)
            if step == total or best.stale:
                break
    best.restore(encoder)
    encoder.network.eval()
    frozen.requires_grad_(True)
    recent = float(np.mean(losses[-CHECK_EVERY:]))
    return Report(step, best.step or step, recent, best.loss)


class _Best:
    """The best checkpoint so far, and whether it is long ago."""

    def __init__(self) -> None:
        self.loss: float | None = None
        self.step = 0
        self.stale = False
        self._weights: dict[str, Tensor] = {}
        self._misses = 0

    def offer(self, step: int, loss: float, encoder: TextEncoder) -> None:
        # So written that a loss that is no number counts as a miss.
        if not loss < (math.inf if self.loss is None else self.loss):
            self._misses += 1
            self.stale = self._misses >= PATIENCE
            return
        self.loss, self.step, self._misses = loss, step, 0
        state = encoder.network.state_dict()
        self._weights = {name: value.detach().clone() for name, value in state.items()}

    def restore(self, encoder: TextEncoder) -> None:
        if self._weights:
            encoder.network.load_state_dict(self._weights)


def _loss(logits: Tensor, targets: Tensor, kind: Kind) -> Tensor:
    if kind == "single":
        return nn.functional.cross_entropy(logits, targets)
    return nn.functional.binary_cross_entropy_with_logits(logits, targets)


def _validation_loss(
    encoder: TextEncoder, head: nn.Linear, validation: Examples, kind: Kind
) -> float:
    encoder.network.eval()
    total = 0.0
    with torch.inference_mode():
        for rows in batches_of_similar_length(validation.texts, BATCH):
            targets = torch.as_tensor(validation.targets[rows]).to(encoder.device)
            logits = head(encoder.forward([validation.texts[row] for row in rows]))
            total += _loss(logits, targets, kind).item() * len(rows)
    encoder.network.train()
    return total / len(validation)


def _pace(step: int, total: int) -> float:
    """Learning rate as a share of its peak: linear up over WARMUP, linear down to 0."""
    rising = (step + 1) / max(1.0, WARMUP * total)
    falling = (total - step) / max(1.0, (1.0 - WARMUP) * total)
    return min(rising, falling, 1.0)


def _shuffled_batches(texts: Sequence[str], rng: np.random.Generator) -> list[Ints]:
    """One epoch: random batches whose texts are of similar length, in random order."""
    noisy = np.array([len(text) for text in texts]) * rng.uniform(0.7, 1.4, len(texts))
    order = np.argsort(noisy)
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    return [batches[index] for index in rng.permutation(len(batches))]
