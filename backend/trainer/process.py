"""Who runs when in the trainer: a queue of jobs, one at a time, over one process.

The process is started with the first job and started again when it dies; the job it died in is
tried once more before it counts as failed.
"""

import logging
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from backend.errors import BackendError, JobFailed, TrainerDied
from backend.trainer.child import started
from backend.trainer.messages import (
    Advanced,
    Done,
    Failed,
    Request,
    answer_of,
    kind_of,
    line_of,
)

log = logging.getLogger(__name__)

TRIES = 2


@dataclass(frozen=True)
class Job:
    """One job for the trainer. `name` identifies it: a job that waits is not queued twice.

    The callbacks run in the trainer's thread and must be quick.
    """

    name: tuple[int, str]
    request: Request
    on_progress: "Callable[[Job, Advanced], None]"
    on_done: "Callable[[Job, Done], None]"
    on_error: "Callable[[Job, BackendError], None]"


class TrainerProcess:
    """Owns the trainer process. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._cancelled = False
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="trainer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; one of the same name that waits or runs already makes this a no-op."""
        with self._changed:
            if not self._knows(job.name):
                self._waiting.append(job)
                self._changed.notify()

    def knows(self, name: tuple[int, str]) -> bool:
        """Whether a job of this name waits or runs."""
        with self._changed:
            return self._knows(name)

    def is_busy_with(self, project: int) -> bool:
        """Whether a job of this project runs."""
        with self._changed:
            return self._running is not None and self._running.name[0] == project

    def cancel(self, project: int) -> None:
        """Forget a project's jobs; one that runs ends now, with the process."""
        with self._changed:
            self._waiting = [job for job in self._waiting if job.name[0] != project]
            if self._running is not None and self._running.name[0] == project:
                self._cancelled = True
                if self._process is not None:
                    self._process.kill()

    def stop(self) -> None:
        """End the process now; what it was doing is done again at the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
            if self._process is not None:
                self._process.kill()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        self._bury()

    def _knows(self, name: tuple[int, str]) -> bool:
        running = self._running is not None and self._running.name == name
        return running or any(job.name == name for job in self._waiting)

    def _run(self) -> None:
        with suppress(OSError):  # the first job tries again, and tells
            self._alive()  # it takes seconds to import what it needs: start before the first job
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if self._stopping:
                    return
                job = self._running = self._waiting.pop(0)
                self._cancelled = False
            outcome = self._attempt(job)
            with self._changed:
                self._running = None
                if self._stopping:
                    return
                is_cancelled = self._cancelled
            if is_cancelled:
                continue  # nobody waits for it
            # Told after the job has left the queue, so that the answer may be the same job again.
            if isinstance(outcome, BackendError):
                job.on_error(job, outcome)
            else:
                job.on_done(job, outcome)

    def _attempt(self, job: Job) -> Done | BackendError:
        for attempt in range(1, TRIES + 1):
            try:
                return self._talk(self._alive(), job)
            except JobFailed as error:
                return error
            except (TrainerDied, OSError):  # OSError: no further process can be started
                if self._stopping or self._cancelled:
                    break
                self._bury()
                log.warning("trainer died in %s, attempt %d of %d", job.name, attempt, TRIES)
        return TrainerDied(
            f"The trainer process died {TRIES} times in the job {kind_of(job.request)!r}. The "
            "usual cause is too little memory: give the container more, or lower MAX_TOKENS"
        )

    def _talk(self, process: "subprocess.Popen[str]", job: Job) -> Done:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line_of(job.request) + "\n")
            process.stdin.flush()
        except OSError as error:
            raise TrainerDied from error
        for line in process.stdout:
            answer = answer_of(line)
            if isinstance(answer, Done):
                return answer
            if isinstance(answer, Failed):
                raise JobFailed(answer.reason)
            job.on_progress(job, answer)
        raise TrainerDied

    def _bury(self) -> None:
        """Kill the process, if it lives, and wait for its end: its pipe closes a moment before it
        counts as ended, and the next attempt would be given to a corpse."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with process:  # closes its pipes and waits
                pass

    def _alive(self) -> "subprocess.Popen[str]":
        process = self._process
        if process is None or process.poll() is not None:
            self._bury()
            process = started()
            with self._changed:
                self._process = process
                if self._stopping:
                    process.kill()
        return process
