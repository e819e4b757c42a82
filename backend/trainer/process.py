"""Who runs when in the trainer: a queue of jobs over one process.

The process is started with the first job, and started again when it dies or hangs. A job in which
it ended twice counts as failed. While a job runs that is not urgent, an urgent one of another
project is let in: the process does it between two steps of the first.
"""

import itertools
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from backend.dataset.record import forget_readings
from backend.errors import JobFailed, TrainerDied, TrainerHung, explained
from backend.media.record import end_reading, forget_reading
from backend.trainer.child import Child
from backend.trainer.jobs import Job, JobQueue
from backend.trainer.messages import Advanced, Done, Failed, answer_of, kind_of, request_line

log = logging.getLogger(__name__)

TRIES = 2


class TrainerProcess:
    """Owns the trainer process. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._queue = JobQueue()
        self._running: dict[int, Job] = {}
        """What the process has been given, by number."""
        self._at_work = 0
        """The number of the job that the process does at this moment."""
        self._cancelled: set[int] = set()
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._stopping = False
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._run, name="trainer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; one of the same name that waits or runs already makes this a no-op."""
        with self._changed:
            if not self._knows(job.name):
                self._queue.add(job)
                self._changed.notify()

    def knows(self, name: tuple[int, str]) -> bool:
        """Whether a job of this name waits or runs."""
        with self._changed:
            return self._knows(name)

    def is_alive(self) -> bool:
        """Whether the process runs."""
        child = self._child
        return child is not None and child.is_alive()

    def waiting(self) -> int:
        """How many jobs wait."""
        with self._changed:
            return len(self._queue)

    def is_busy_with(self, project: int) -> bool:
        """Whether a job of this project runs."""
        with self._changed:
            return any(job.project == project for job in self._running.values())

    def cancel(self, project: int) -> None:
        """Forget a project's jobs; one that runs ends now, with the process."""
        with self._changed:
            self._queue.forget(project)
            mine = {number for number, job in self._running.items() if job.project == project}
            self._cancelled |= mine
            if mine and self._child is not None:
                self._child.kill()

    def stop(self) -> None:
        """End the process now; what it was doing is done again at the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
            if self._child is not None:
                self._child.kill()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        self._end_child()
        self._forget_reading(self._running)

    def _knows(self, name: tuple[int, str]) -> bool:
        running = any(job.name == name for job in self._running.values())
        return running or self._queue.knows(name)

    def _run(self) -> None:
        self._start_ahead()
        while (number := self._next()) is not None:
            self._at_work = number
            try:
                child = self._living()
                self._give(child, number)
                while self._running:
                    self._hear(child)
            except (TrainerDied, OSError) as error:  # OSError: no further process can be started
                self._after_death(error)
                self._start_ahead()

    def _start_ahead(self) -> None:
        """Have a process before the next job: it takes seconds to import what it needs. Should this
        one die, too, the next job starts another."""
        with self._changed:
            if self._queue or self._stopping:
                return
        with suppress(OSError):  # the next job tries again, and tells
            self._living()

    def _next(self) -> int | None:
        """The number of the next job, once there is one; None to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            return None if self._stopping else self._begun(self._queue.take())

    def _begun(self, job: Job) -> int:
        number = next(self._numbers)
        self._running[number] = job
        return number

    def _give(self, child: Child, number: int) -> None:
        child.say(request_line(number, self._running[number].request))

    def _hear(self, child: Child) -> None:
        """Wait for one answer, and do what follows from it."""
        silence = max(job.silence for job in self._running.values())
        try:
            answer = answer_of(child.hear(silence))
        except ValueError as error:  # it ended in the middle of a line
            raise TrainerDied from error
        self._at_work = answer.job
        if isinstance(answer, Done | Failed):
            self._finish(answer)
        elif isinstance(answer, Advanced):
            job = self._running[answer.job]
            job.on_progress(job, answer)
            self._let_in(child, job)

    def _finish(self, answer: Done | Failed) -> None:
        with self._changed:
            job = self._running.pop(answer.job)
            self._at_work = next(iter(self._running), 0)  # it goes on with what was interrupted
            if self._stopping or answer.job in self._cancelled:
                return  # nobody waits for it
        # Told after the job has left the queue, so that the answer may be the same job again.
        if isinstance(answer, Done):
            job.on_done(job, answer)
        else:
            job.on_error(job, JobFailed(answer.reason))

    def _let_in(self, child: Child, running: Job) -> None:
        """Give the process an urgent job besides the one that runs, to do between two steps."""
        with self._changed:
            if running.is_urgent or len(self._running) > 1:
                return
            job = self._queue.take_urgent(besides={running.project})
            number = None if job is None else self._begun(job)
        if number is not None:
            self._give(child, number)

    def _after_death(self, error: TrainerDied | OSError) -> None:
        """Have all jobs that the process had been given tried again; the one that it was at counts
        the death, unless we killed it. Of two projects, the one that was let in is kept apart."""
        self._end_child()
        with self._changed:
            if self._stopping:
                return
            running, self._running = self._running, {}
            cancelled, self._cancelled = self._cancelled, set()
            if not cancelled:
                for guest in [*running.values()][1:]:
                    self._queue.keep_apart(guest.project)
        if cancelled:
            self._forget_reading(running)
        for number, job in running.items():
            if number == self._at_work and not cancelled:
                self._count_death(job, error)
            elif number not in cancelled:
                self._retry(
                    job, f"The trainer process ended in another job; {_named(job)} begins again"
                )

    def _count_death(self, job: Job, error: TrainerDied | OSError) -> None:
        tasks = _reading(job)
        log.warning("trainer died in %s, reading the tasks %s", job.name, tasks)
        deaths = job.deaths + 1
        died = replace(job, deaths=deaths, is_urgent=job.is_urgent and deaths < TRIES)
        if tasks:  # the next attempt reads them one by one, or no more: it gets further than this
            self._retry(died, _sentence_of_tasks(died, tasks, error))
            return
        sentence = _sentence(died, error)
        if deaths < TRIES:
            self._retry(died, f"{sentence}. The job is tried again")
        else:
            job.on_error(job, TrainerDied(sentence))

    def _retry(self, job: Job, sentence: str) -> None:
        with self._changed:
            if not self._knows(job.name):  # the same may have been submitted just now
                self._queue.add(job)
        job.on_death(job, TrainerDied(sentence))

    def _forget_reading(self, jobs: Mapping[int, Job]) -> None:
        """We have ended the process: no task is to blame."""
        for job in jobs.values():
            forget_readings(job.request.subject.folder)
            try:
                forget_reading(job.request.subject.folder)
            except OSError as error:  # a full disk, a folder that is gone
                log.warning("what %s was reading is not forgotten: %s", job.name, explained(error))

    def _end_child(self) -> None:
        with self._changed:
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def _living(self) -> Child:
        """The process; a new one if there is none that lives. Raises OSError."""
        child = self._child
        if child is None or not child.is_alive():
            self._end_child()
            child = Child()
            with self._changed:
                self._child = child
                if self._stopping:
                    child.kill()
        return child


def _reading(job: Job) -> list[int]:
    """The tasks that the job was reading when the process ended, for which that is counted."""
    try:
        return end_reading(job.request.subject.folder)
    except OSError as error:  # a full disk, a folder that is gone: the next attempt counts it
        log.warning("what %s was reading is not written down: %s", job.name, explained(error))
        return []


def _named(job: Job) -> str:
    return f"the job {kind_of(job.request)!r}"


def _sentence_of_tasks(job: Job, tasks: list[int], error: TrainerDied | OSError) -> str:
    """The same when tasks were being read: of these one may be to blame."""
    is_hung = isinstance(error, TrainerHung)
    what = f"made no progress for {job.silence / 60:g} minutes" if is_hung else "died"
    which = f"task {tasks[0]}" if len(tasks) == 1 else f"{len(tasks)} tasks at once"
    return (
        f"The trainer process {what} in {_named(job)} while it read {which}. It is started again "
        "and reads what it read then one by one; a task that ends it twice is set aside as not "
        "readable. The usual cause is too little memory"
    )


def _sentence(job: Job, error: TrainerDied | OSError) -> str:
    """What happened, how often, and what may help."""
    where = f"{job.deaths} times in {_named(job)}" if job.deaths > 1 else f"in {_named(job)}"
    if isinstance(error, TrainerHung):
        return (
            f"The trainer process made no progress for {job.silence / 60:g} minutes and was ended, "
            f"{where}. Usual causes are a disk or a download that hangs; if a single step takes "
            "longer on this machine, raise TRAINER_TIMEOUT_MINUTES"
        )
    return (
        f"The trainer process died {where}. The usual cause is too little memory: give the "
        "container more, or lower MAX_TOKENS"
    )
