"""The trainer: a real process, one job at a time."""

import errno
import queue
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from backend.errors import BackendError, JobFailed, TrainerDied
from backend.loop.jobs import TRIES, Job, Trainer
from backend.studio.annotations import Json
from model.storage.store import EncoderSpec

Answers = queue.Queue[Json | BackendError]


@pytest.fixture(scope="module")
def trainer() -> Iterator[Trainer]:
    made = Trainer()
    made.start()
    yield made
    made.stop()


def job(what: str, answers: Answers, **request: object) -> Job:
    return Job(
        (1, what),
        {"job": what, **request},
        on_progress=lambda _, answer: answers.put(answer),
        on_done=lambda _, answer: answers.put(answer),
        on_error=lambda _, error: answers.put(error),
    )


@pytest.mark.slow
def test_a_failed_job_says_why_and_the_next_one_runs(trainer: Trainer, tmp_path: Path) -> None:
    answers: Answers = queue.Queue()
    for name in ("no/such/encoder", "no/such/other"):
        spec = asdict(EncoderSpec(("text",), name, "", 8))
        trainer.submit(job("base", answers, folder=str(tmp_path), spec=spec))
        error = answers.get(timeout=120)
        assert isinstance(error, JobFailed)
        assert name in str(error)


@pytest.mark.slow
def test_a_waiting_job_is_not_queued_twice(trainer: Trainer) -> None:
    answers: Answers = queue.Queue()
    for _ in range(5):
        trainer.submit(job("nonsense", answers))
    error = answers.get(timeout=120)
    assert "KeyError" in str(error)
    trainer.submit(job("other nonsense", answers))
    assert "other nonsense" in str(answers.get(timeout=120)), "only one of the five has run"


@pytest.mark.slow
def test_a_machine_without_room_for_a_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No job runs then, but the next ones do when there is room again."""
    real, refusals = subprocess.Popen, [OSError(errno.EAGAIN, "no room")] * (1 + TRIES)

    def popen(*arguments: Any, **options: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return real(*arguments, **options)

    monkeypatch.setattr("backend.loop.jobs.subprocess.Popen", popen)
    trainer, answers = Trainer(), queue.Queue[Json | BackendError]()
    trainer.submit(job("first", answers))
    trainer.start()
    assert isinstance(answers.get(timeout=120), TrainerDied)
    trainer.submit(job("second", answers))
    assert isinstance(answers.get(timeout=120), JobFailed)
    trainer.stop()


@pytest.mark.slow
def test_a_cancelled_project_leaves_the_queue_and_the_others_go_on() -> None:
    """The project is gone from Label Studio: what it still asked for is forgotten."""
    trainer, answers = Trainer(), queue.Queue[Json | BackendError]()
    for what in ("first", "second"):
        trainer.submit(job(what, answers))
    other = job("of another project", answers)
    trainer.submit(
        Job((2, "base"), other.request, other.on_progress, other.on_done, other.on_error)
    )
    trainer.cancel(1)
    trainer.start()
    assert "of another project" in str(answers.get(timeout=120))
    assert answers.empty()
    trainer.stop()
