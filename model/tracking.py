"""TensorBoard logs: losses a step, scores a round (tensorboard --logdir FOLDER)."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import scalar

if TYPE_CHECKING:  # it imports torch
    from model.encoders.finetune import Step

log = logging.getLogger(__name__)


class Tracker:
    """Appends to an event file of its own in one folder. One thread, one process.

    Written without the usual SummaryWriter: its thread ends when the disk is full, and whoever logs
    something afterwards waits for it forever. Here a log that cannot be written ends, and the work
    continues without it.
    """

    def __init__(self, folder: Path) -> None:
        self._writer: EventsWriter | None = None
        self._steps = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Two made within a second would otherwise have the same name.
            self._writer = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
        except OSError as error:
            log.warning("no TensorBoard log in %s: %s", folder, error)

    def step(self, labels: int, step: "Step") -> None:
        """A training step of the deep round at `labels` labels: loss and scores of its batch, and
        of the validation examples if they were measured. Steps of successive rounds follow each
        other."""
        self._steps += 1
        training = {f"train/{name}": value for name, value in step.training.items()}
        validation = {f"validation/{name}": v for name, v in (step.validation or {}).items()}
        figures = {"train/labels": labels, **training, **validation}
        self._write(figures, self._steps, flush=bool(validation))

    def round(self, labels: int, groups: Mapping[str, Mapping[str, float]]) -> None:
        """What was measured after a round, by group and name, over the number of labels."""
        figures = {
            f"{group}/{name}": value
            for group, values in groups.items()
            for name, value in values.items()
        }
        self._write(figures, labels, flush=True)

    def close(self) -> None:
        """Write what is left and close the file."""
        self._write({}, 0, flush=True)
        if self._writer is not None:
            self._writer.close()

    def _write(self, figures: Mapping[str, float], at: int, *, flush: bool) -> None:
        if self._writer is None:
            return
        try:
            for name, value in figures.items():
                event = Event(wall_time=time.time(), step=at, summary=scalar(name, value))
                self._writer.write_event(event)
            if flush:
                self._writer.flush()
        except OSError as error:
            log.warning("the TensorBoard log ends here: %s", error)
            self._writer = None
