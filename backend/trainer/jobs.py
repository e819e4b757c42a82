"""The jobs that wait for the trainer, and whose turn it is."""

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from backend.errors import BackendError, TrainerDied
from backend.trainer.messages import Advanced, Done, Request

APART_SECONDS = 3600.0
"""So long no job of a project is let in beside another after the process ended while two ran: there
may be too little memory for both, and what the other had done is lost each time."""


@dataclass(frozen=True)
class Job:
    """One job for the trainer. `name` identifies it, by project and kind: a job that waits is not
    queued twice.

    is_urgent: people wait for it, and it is soon done; silence: seconds without any progress after
    which the process counts as one that hangs; deaths: how often the process has ended in it, and
    after one the job is not let in beside another, which would end with it.
    The callbacks run in the trainer's thread and must be quick; after `on_death` the job waits
    again.
    """

    name: tuple[int, str]
    request: Request
    is_urgent: bool
    silence: float
    on_progress: "Callable[[Job, Advanced], None]"
    on_done: "Callable[[Job, Done], None]"
    on_error: "Callable[[Job, BackendError], None]"
    on_death: "Callable[[Job, TrainerDied], None]"
    deaths: int = 0

    @property
    def project(self) -> int:
        return self.name[0]

    @property
    def may_join(self) -> bool:
        return self.is_urgent and not self.deaths


class JobQueue:
    """Urgent jobs come first. Among these, and among the others, the projects take turns: the one
    whose last turn is longest ago is next, and of its jobs the one that has waited longest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: list[Job] = []
        self._apart_until: dict[int, float] = {}
        self._turns = 0
        self._last_turn: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, job: Job) -> None:
        self._waiting.append(job)

    def knows(self, name: tuple[int, str]) -> bool:
        return any(job.name == name for job in self._waiting)

    def forget(self, project: int) -> None:
        """Drop all jobs of a project."""
        self._waiting = [job for job in self._waiting if job.project != project]

    def take(self) -> Job:
        """The next job, which leaves the queue. There must be one."""
        return self._taken(self._waiting)

    def take_urgent(self, besides: Collection[int]) -> Job | None:
        """The next urgent job to do beside those of other projects; None if there is none."""
        found = [job for job in self._waiting if self._may_join(job) and job.project not in besides]
        return self._taken(found) if found else None

    def keep_apart(self, project: int) -> None:
        """Let no job of this project in beside another one for APART_SECONDS."""
        self._apart_until[project] = self._clock() + APART_SECONDS

    def _may_join(self, job: Job) -> bool:
        is_apart = self._clock() < self._apart_until.get(job.project, -math.inf)
        return job.may_join and not is_apart

    def _taken(self, jobs: list[Job]) -> Job:
        job = min(jobs, key=lambda one: (not one.is_urgent, self._last_turn.get(one.project, 0)))
        self._waiting.remove(job)
        self._turns += 1
        self._last_turn[job.project] = self._turns
        return job
