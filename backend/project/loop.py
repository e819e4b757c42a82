"""The loop of one project: who wakes it, and what happens when a turn fails.

One thread a project, so that a broken project never holds up another. Requests only leave hints
(`wake`); hints that come while a turn runs make one further turn, however many they are.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

from backend.errors import (
    BackendError,
    LetGo,
    NoSuchProject,
    ProjectGone,
    ProjectReplaced,
    explained,
    is_disk_full,
)
from backend.project.metrics import Metrics, ProjectMetrics
from backend.project.progress import Progress
from backend.project.status import Served, Status
from backend.project.troubles import Troubles
from backend.queue.inbox import Inbox
from backend.studio.connection import Connection

log = logging.getLogger(__name__)

Hint = Literal["start", "beat", "project", "tasks", "labels", "vectors", "train"]

PUBLISH_SHARE, PUBLISH_BURST = 0.16, 10.0
"""Publishing takes at most this share of the time, after a burst of this many seconds: Label
Studio's database must stay free for its annotators."""

BACKOFF_LIMIT = 60.0


class Allowance:
    """Seconds of publishing that may still be spent: they come back at `share` a second, up to
    `burst`. All times are seconds on one clock."""

    def __init__(self, share: float, burst: float, now: float) -> None:
        self._share, self._burst = share, burst
        self._left, self._at = burst, now

    def spend(self, seconds: float, now: float) -> None:
        earned = (now - self._at) * self._share
        self._left, self._at = min(self._burst, self._left + earned) - seconds, now

    def ready_at(self) -> float:
        """The time from which on something may be spent again."""
        return self._at + max(0.0, -self._left / self._share)


class Work(Protocol):
    """What a loop does when it is woken; made and used by the loop's thread alone."""

    def turn(self, hints: set[Hint]) -> Iterator[Status]:
        """Do all that the hints ask for. Yields the project's status whenever others are to see a
        new one before the turn goes on."""

    def close(self) -> None:
        """Close files and connections; there will be no further turn."""


class ProjectLoop:
    """Owns a project's thread, its hints, and the status that others read."""

    def __init__(
        self,
        project: int,
        connection: Connection,
        make_work: "Callable[[ProjectLoop, Connection], Work]",
        poll_seconds: float,
        metrics: ProjectMetrics | None = None,
        identity: str = "",
    ) -> None:
        """`metrics`: where it counts; by default where nobody reads it. `identity`: see Inbox."""
        self.project = project
        self.metrics = metrics or Metrics().of(project)
        self.status = Status()
        """What requests read: replaced whole, in one assignment, by the loop's thread."""
        self.trouble: str | None = None
        """What is wrong at the moment, in a sentence; None when the loop is well."""
        self.is_let_go = False
        """Whether the project is gone, or not ours to work in."""
        self.troubles = Troubles()
        self.inbox = Inbox(identity)
        self.progress = Progress()
        self._connection = connection
        self._make_work = make_work
        self._work: Work | None = None
        self._worked_with: Connection | None = None
        self._poll_seconds = poll_seconds
        self._beat_at = math.inf
        self._hints: set[Hint] = {"start"}
        self._woken = threading.Condition()
        self._stopping = self._has_begun = False
        self._thread = threading.Thread(target=self._run, name=f"project-{project}", daemon=True)

    @property
    def served(self) -> Served | None:
        """The version that is served; None before the first."""
        return self.status.served

    def start(self) -> None:
        self._thread.start()
        self._has_begun = True

    def stop(self) -> None:
        """End after the turn that runs; waits a moment for it."""
        self.leave()
        self._thread.join(timeout=5.0)

    def leave(self) -> None:
        """The same without waiting."""
        with self._woken:
            self._stopping = True
            self._woken.notify()

    def wake(self, hint: Hint) -> None:
        """Something happened. Returns at once; may be called from any thread."""
        with self._woken:
            self._hints.add(hint)
            self._woken.notify()

    def connect(self, connection: Connection) -> None:
        """Label Studio reported how it is reached. Used once the one before does not work any more:
        whoever reaches us can report anything."""
        self._connection = connection
        if self.trouble is not None:
            self.wake("beat")

    @property
    def connection(self) -> Connection:
        """How Label Studio is reached."""
        return self._connection

    @property
    def has_ended(self) -> bool:
        """Whether the project turned out not to be there: the loop does nothing more."""
        return self._has_begun and not self._thread.is_alive()

    def _run(self) -> None:
        failures, ready_at = 0, 0.0
        self._beat_at = time.monotonic() + self._poll_seconds
        allowance = Allowance(PUBLISH_SHARE, PUBLISH_BURST, time.monotonic())
        while (hints := self._wait(ready_at)) is not None:
            try:
                self._turn(hints)
                allowance.spend(self.status.publish_seconds, time.monotonic())
                ready_at = allowance.ready_at()
                failures, self.trouble, self.is_let_go = 0, None, False
                self.metrics.last_success.set_to_current_time()
            except NoSuchProject as error:
                self._end(str(error))
            except Exception as error:  # the border of the thread: a bug must not end the loop
                failures += 1
                self.is_let_go = isinstance(error, LetGo | ProjectGone)
                self._recover_from(error)
                ready_at = self._back_off(hints, failures, explained(error))
        self._let_go()

    def _turn(self, hints: set[Hint]) -> None:
        is_other = self._worked_with != self._connection
        if self._work is None or (self.trouble is not None and is_other):
            self._let_go()
            self._worked_with = self._connection
            self._work = self._make_work(self, self._worked_with)
        for status in self._work.turn(hints):
            self.status = status

    def _end(self, trouble: str) -> None:
        self.trouble = trouble
        self.troubles.note(trouble)
        log.info("project %d: %s", self.project, trouble)
        self.leave()

    def _recover_from(self, error: Exception) -> None:
        """Keep what an error leaves usable, and let go of the rest."""
        if isinstance(error, ProjectReplaced):
            self.status = Status()
        elif isinstance(error, BackendError):
            return
        elif not is_disk_full(error):
            log.exception("project %d: the turn failed", self.project)
        self._let_go()

    def _let_go(self) -> None:
        """The next turn begins with new files and connections."""
        work, self._work = self._work, None
        if work is not None:
            work.close()

    def _wait(self, ready_at: float) -> set[Hint] | None:
        """Hints once there are some and `ready_at` has come; None to stop. When it is time for a
        beat, it is among them: other hints do not put it off."""
        with self._woken:
            to_beat = max(0.0, self._beat_at - time.monotonic())
            self._woken.wait_for(lambda: self._stopping or self._hints, timeout=to_beat)
            while not self._stopping and time.monotonic() < ready_at:
                self._woken.wait(timeout=max(0.0, ready_at - time.monotonic()))
            if self._stopping:
                return None
            hints, self._hints = self._hints, set()
            if time.monotonic() >= self._beat_at:
                hints.add("beat")
                self._beat_at = time.monotonic() + self._poll_seconds
            return hints

    def _back_off(self, hints: set[Hint], failures: int, trouble: str) -> float:
        delay = min(BACKOFF_LIMIT, 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)
        if not self.is_let_go:
            self.metrics.failures.inc()
            log.error("project %d: %s. Next try in %.0f s", self.project, trouble, delay)
        elif trouble != self.trouble:
            log.info("project %d: %s", self.project, trouble)
        self.trouble = trouble
        self.troubles.note(trouble)
        with self._woken:
            # Thoroughly: what failed may have been known wrongly, such as a task that is deleted.
            self._hints |= hints | {"beat"}
        return time.monotonic() + delay
