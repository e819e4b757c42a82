"""What the trainer does for a project at the moment."""

import time
from dataclasses import dataclass, replace

from backend.trainer.messages import JobKind


@dataclass(frozen=True)
class Activity:
    """A job in the trainer: its kind, the share that is done, and when it began (Unix time), with
    the share that was done then."""

    job: JobKind
    share: float
    began: float
    from_share: float = 0.0


class Progress:
    """Written by the trainer's thread, read by anybody."""

    def __init__(self) -> None:
        self.activity: Activity | None = None
        """None while the trainer does nothing for the project."""
        self.trouble: str | None = None
        """Why the last job failed; None when it did not."""

    def advance(self, job: JobKind, share: float) -> None:
        """A job of this kind has done this share of its work."""
        before = self.activity
        if before is not None and before.job == job:
            self.activity = replace(before, share=share)
        else:
            self.activity = Activity(job, share, time.time(), share)

    def drop(self) -> None:
        """What runs was cancelled."""
        self.activity = None

    def finish(self) -> None:
        """A job is done."""
        self.activity = self.trouble = None

    def fail(self, reason: str) -> None:
        """A job failed."""
        self.activity, self.trouble = None, reason
