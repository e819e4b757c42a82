"""TensorBoard logs: losses a step, scores a round (tensorboard --logdir FOLDER)."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tensorboardX import SummaryWriter

if TYPE_CHECKING:  # it imports torch
    from model.finetune import Step


class Tracker:
    """Appends to the event file of one folder. One thread, one process."""

    def __init__(self, folder: Path) -> None:
        self._writer = SummaryWriter(str(folder), flush_secs=5)
        self._steps = 0

    def step(self, labels: int, step: "Step") -> None:
        """A training step of the deep round at `labels` labels: its loss, and what the validation
        examples say if they were asked. Steps of successive rounds follow each other."""
        self._steps += 1
        add = self._writer.add_scalar
        add("train/loss", step.loss, self._steps)
        add("train/labels", labels, self._steps)
        for name, value in (step.validation or {}).items():
            add(f"validation/{name}", value, self._steps)

    def round(self, labels: int, groups: Mapping[str, Mapping[str, float]]) -> None:
        """What was measured after a round, by group and name, over the number of labels."""
        for group, values in groups.items():
            for name, value in values.items():
                self._writer.add_scalar(f"{group}/{name}", value, labels)

    def close(self) -> None:
        """Write what is left and close the file."""
        self._writer.close()
