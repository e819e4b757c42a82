"""Deep training: fine-tune the encoder under a linear head, keep the best checkpoint."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model.encoders.encoder import Trainable
from model.encoders.layers import frozen_weights, train_mode
from model.heads.deciding import decisions
from model.heads.ordered import softening
from model.measuring.metrics import scores
from model.types import Floats, Ints, Kind, LabelGroup

BATCH = 16
MOST_ROWS = 8192
"""Rows of targets in a batch, such as tokens of texts: fewer long texts than BATCH make one."""
EPOCHS = 6
MIN_STEPS, MAX_STEPS = 60, 1500
LEARNING_RATE = 2e-4
HEAD_LEARNING_RATE = 2e-3
CONTRAST = 1.0
TEMPERATURE = 0.1
"""Of the contrastive loss: cosines are divided by it."""
WARMUP = 0.1
CHECK_EVERY, MOST_CHECKS = 20, 20
"""Steps between two validations; more if that would make more than MOST_CHECKS of them."""
PATIENCE = 3
MIN_VALIDATION = 10
"""With fewer validation labels than this, training runs all its steps and the last weights stay:
choosing a checkpoint by three or four labels is noise."""


@dataclass(frozen=True)
class Examples:
    """What an encoder reads, one item an example, and the targets (n, c) of 0 and 1.

    lengths (n,): of the items, see `length_of`; if None, each item is read to measure it.
    bounds (n + 1,): if an item has several rows of targets, such as one a token: where the rows of
    each item begin, and the end. whole (n, k): where items have several rows, the targets of the
    questions about each item as a whole, which answer `asked`; None: there are none.
    """

    items: Sequence[Any]
    targets: Floats
    lengths: Ints | None = None
    bounds: Ints | None = None
    whole: Floats | None = None
    asked: tuple[LabelGroup, ...] = ()

    def targets_of(self, rows: Ints) -> Floats:
        """The targets of these items, in this order."""
        if self.bounds is None:
            return self.targets[rows]
        return np.concatenate(
            [self.targets[self.bounds[row] : self.bounds[row + 1]] for row in rows]
        )

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Report:
    """What a fine-tuning did. Losses are means per example; None where nothing was measured.

    self_trained: how many unlabelled examples it also learnt from, see
    `model.encoders.selftraining`.
    """

    steps: int
    best_step: int
    train_loss: float
    validation_loss: float | None
    self_trained: int = 0


@dataclass(frozen=True)
class Step:
    """One finished training step: `loss` and `scores` of its batch before the step, and of all
    validation examples after it, None where not measured."""

    number: int
    total: int
    training: dict[str, float]
    validation: dict[str, float] | None


def finetune(
    encoder: Trainable,
    training: Examples,
    validation: Examples,
    asked: Kind | tuple[LabelGroup, ...],
    *,
    seed: int,
    steps: int | None = None,
    observe: Callable[[Step], None] | None = None,
) -> Report:
    """Fine-tune `encoder` in place on the training examples.

    asked: the kind of the labels; for several questions, the labels of each.

    The loss of a batch is the cross-entropy of a linear head (a label's binary cross-entropy for
    `multiple`; for several questions the sum, each over the examples that answer it) plus CONTRAST
    times the supervised contrastive loss of its pooled states (not for `spans`). Where questions
    are asked about items as wholes beside `spans`, the same of these is added, of the mean state of
    each item's rows. AdamW
    with linear warm-up and decay on the upper layers, see `model.encoders.layers`. Early stopping
    on the validation loss, best weights restored; with fewer than MIN_VALIDATION validation labels
    all steps are taken and the last weights stay.

    `steps`: at most this many; None: `steps_for` the examples. `observe` is called after each.
    Raises ValueError when there are no training examples.
    """
    if len(training) == 0:
        raise ValueError("fine-tuning needs at least one labelled example")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    labels = training.targets.shape[1]
    groups = (LabelGroup(asked, 0, labels),) if isinstance(asked, str) else asked
    head = nn.Linear(encoder.dimension, labels).to(encoder.device)
    whole = None if training.whole is None else _WholeItems(encoder, training)
    frozen = frozen_weights(encoder.network)
    for weight in frozen:
        weight.requires_grad_(False)
    tuned = [weight for weight in encoder.network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": tuned, "lr": LEARNING_RATE},
            {"params": head.parameters(), "lr": HEAD_LEARNING_RATE},
            *([] if whole is None else [{"params": whole.parameters(), "lr": HEAD_LEARNING_RATE}]),
        ],
        weight_decay=0.01,
        fused=True,
    )
    total = steps or steps_for(len(training))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _pace(step, total))
    check_every = max(CHECK_EVERY, total // MOST_CHECKS)
    best = _Best()
    losses: list[float] = []
    train_mode(encoder.network)
    lengths = _lengths_of(training)
    counts = None if training.bounds is None else np.diff(training.bounds)
    for step, rows in enumerate(islice(_batches(lengths, rng, counts), total), start=1):
        encoder.forget_copy()  # the step changes the weights, and gradients need its room
        targets = torch.as_tensor(training.targets_of(rows)).to(encoder.device)
        states = encoder.forward([training.items[row] for row in rows])
        logits = head(states)
        loss = _class_loss(logits, targets, groups)
        if asked != "spans":  # most tokens are outside all spans and have nothing else in common
            loss = loss + CONTRAST * contrastive_loss(states, targets)
        if whole is not None:
            loss = loss + whole.loss(states, training, rows)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(tuned, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        answered = {"loss": losses[-1], **_scores(logits.detach(), targets, groups)}
        measured = None
        if step % check_every == 0 and len(validation) >= MIN_VALIDATION:
            measured = _measure(encoder, head, validation, groups, whole)
            best.offer(step, measured["loss"], encoder)
        if observe is not None:
            observe(Step(step, total, answered, measured))
        if best.stale:
            break
    best.restore(encoder)
    encoder.network.eval()
    for weight in frozen:
        weight.requires_grad_(True)
    recent = float(np.mean(losses[-CHECK_EVERY:]))
    return Report(len(losses), best.step or len(losses), recent, best.loss)


class _WholeItems:
    """A linear head on the mean state of each item's rows, for the questions about whole items."""

    def __init__(self, encoder: Trainable, training: Examples) -> None:
        assert training.whole is not None
        self._head = nn.Linear(encoder.dimension, training.whole.shape[1]).to(encoder.device)

    def parameters(self) -> Iterator[nn.Parameter]:
        return self._head.parameters()

    def loss(
        self, states: Tensor, examples: Examples, rows: Ints, contrast: float = CONTRAST
    ) -> Tensor:
        """Of the items `rows` (b,), whose rows have these states one after the other: the
        cross-entropy of each question plus `contrast` times the contrastive loss, over the items
        that answer any."""
        assert examples.whole is not None and examples.bounds is not None
        counts = np.diff(examples.bounds)[rows].tolist()
        means = torch.stack([mine.mean(dim=0) for mine in torch.split(states, counts)])
        targets = torch.as_tensor(examples.whole[rows], device=states.device)
        answered = targets.any(dim=1)
        means, targets = means[answered], targets[answered]
        if len(means) == 0:
            return states.sum() * 0.0
        loss = _class_loss(self._head(means), targets, examples.asked)
        return loss + contrast * contrastive_loss(means, targets) if contrast else loss


def weights_of(encoder: Trainable) -> dict[str, Tensor]:
    """A copy of the network's weights, to go back to."""
    state = encoder.network.state_dict()
    return {name: value.detach().clone() for name, value in state.items()}


class _Best:
    """The best checkpoint so far; `stale` after PATIENCE validations without a better one."""

    def __init__(self) -> None:
        self.loss: float | None = None
        self.step = 0
        self.stale = False
        self._weights: dict[str, Tensor] = {}
        self._misses = 0

    def offer(self, step: int, loss: float, encoder: Trainable) -> None:
        # Written this way so that a NaN loss counts as a miss.
        if not loss < (math.inf if self.loss is None else self.loss):
            self._misses += 1
            self.stale = self._misses >= PATIENCE
            return
        self.loss, self.step, self._misses = loss, step, 0
        self._weights = weights_of(encoder)

    def restore(self, encoder: Trainable) -> None:
        if self._weights:
            encoder.network.load_state_dict(self._weights)
            encoder.forget_copy()


def steps_for(examples: int) -> int:
    """How many steps to take on this many training examples."""
    return min(max(MIN_STEPS, math.ceil(EPOCHS * examples / BATCH)), MAX_STEPS)


def _class_loss(logits: Tensor, targets: Tensor, groups: tuple[LabelGroup, ...]) -> Tensor:
    if len(groups) == 1:
        return _loss_of_question(logits, targets, groups[0].kind)
    loss = logits.sum() * 0.0  # if no example answers anything
    for group in groups:
        mine = targets[:, group.columns]
        given = mine.any(dim=1)
        if bool(given.any()):
            loss = loss + _loss_of_question(logits[given, group.columns], mine[given], group.kind)
    return loss


def _loss_of_question(logits: Tensor, targets: Tensor, kind: Kind) -> Tensor:
    if kind == "multiple":
        return nn.functional.binary_cross_entropy_with_logits(logits, targets)
    if kind == "ordered":
        targets = targets @ torch.as_tensor(softening(targets.shape[1]), device=targets.device)
    return nn.functional.cross_entropy(logits, targets)


def contrastive_loss(states: Tensor, targets: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362, L_out), a scalar >= 0.

    states (b, d), targets (b, c) of 0 and 1. Each example is pulled to those that share its labels
    and pushed from the rest; with several labels the pull is the Jaccard similarity of the label
    sets. An example that shares no label with another is left out; 0 if all are.
    """
    unit = nn.functional.normalize(states, dim=1)
    itself = torch.eye(len(states), dtype=torch.bool, device=states.device)
    cosines = (unit @ unit.T / TEMPERATURE).masked_fill(itself, -math.inf)
    shared = targets @ targets.T
    sizes = targets.sum(dim=1)
    either = sizes[:, None] + sizes[None, :] - shared
    # Two examples without any label also count as alike.
    pull = torch.where(either > 0, shared / either.clamp(min=1.0), 1.0).masked_fill(itself, 0.0)
    alone = pull.sum(dim=1) == 0
    if bool(alone.all()):
        return states.sum() * 0.0
    log_likelihood = torch.log_softmax(cosines, dim=1).masked_fill(itself, 0.0)
    losses = -(pull * log_likelihood).sum(dim=1)[~alone] / pull.sum(dim=1)[~alone]
    return losses.mean()


def _measure(
    encoder: Trainable,
    head: nn.Linear,
    validation: Examples,
    groups: tuple[LabelGroup, ...],
    whole: _WholeItems | None,
) -> dict[str, float]:
    """The head's mean loss per example, with that of questions about whole items, and its `scores`
    on the validation examples."""
    encoder.network.eval()
    states = torch.as_tensor(encoder.pool(validation.items), device=encoder.device)
    train_mode(encoder.network)
    targets = torch.as_tensor(validation.targets)
    with torch.inference_mode():
        logits = head(states).cpu()
        loss = _class_loss(logits, targets, groups).item()
        if whole is not None:
            loss += whole.loss(states, validation, np.arange(len(validation)), 0.0).item()
    return {"loss": loss, **_scores(logits, targets, groups)}


def _scores(logits: Tensor, targets: Tensor, groups: tuple[LabelGroup, ...]) -> dict[str, float]:
    """`model.measuring.metrics.scores` of the answers that the logits imply."""
    said = []
    for group in groups:
        mine = logits[:, group.columns].float()
        probs = mine.sigmoid() if group.kind == "multiple" else mine.softmax(dim=1)
        said.append(decisions(probs.cpu().numpy(), group.kind))
    return scores(np.hstack(said), targets.cpu().numpy() > 0)


def _pace(step: int, total: int) -> float:
    """Learning rate as a share of its peak: linear up over WARMUP, linear down to 0."""
    rising = (step + 1) / max(1.0, WARMUP * total)
    falling = (total - step) / max(1.0, (1.0 - WARMUP) * total)
    return min(rising, falling, 1.0)


def _batches(lengths: Ints, rng: np.random.Generator, counts: Ints | None = None) -> Iterator[Ints]:
    """Endless batches, epoch after epoch: items of similar length together, in random order.
    counts (n,): their rows of targets, of which a batch has MOST_ROWS at most, or one item."""
    while True:
        order = np.argsort(lengths * rng.uniform(0.7, 1.4, len(lengths)))
        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        for place in rng.permutation(len(batches)):
            yield from _in_parts(batches[place], counts)


def _in_parts(rows: Ints, counts: Ints | None) -> Iterator[Ints]:
    """A batch, in halves where it has too many rows of targets."""
    if counts is None or len(rows) == 1 or counts[rows].sum() <= MOST_ROWS:
        yield rows
        return
    yield from _in_parts(rows[: len(rows) // 2], counts)
    yield from _in_parts(rows[len(rows) // 2 :], counts)


def _lengths_of(examples: Examples) -> Ints:
    if examples.lengths is not None:
        return examples.lengths
    return np.array([length_of(item) for item in examples.items])


def length_of(item: Any) -> int:
    """A text's number of characters; for an item of several parts their sum; 1 for all else."""
    if isinstance(item, str):
        return len(item)
    return sum(length_of(part) for part in item) if isinstance(item, Sequence) else 1
