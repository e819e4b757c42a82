"""The trainer: a real process, one job at a time."""

import queue
from collections.abc import Iterator

import pytest

from backend.annotations import Json
from backend.errors import BackendError, JobFailed
from backend.jobs import Job, Trainer

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


def test_a_failed_job_says_why_and_the_next_one_runs(trainer: Trainer) -> None:
    answers: Answers = queue.Queue()
    for name in ("no/such/encoder", "no/such/other"):
        trainer.submit(job("base", answers, folder="unused", base=name, max_tokens=8))
        error = answers.get(timeout=120)
        assert isinstance(error, JobFailed)
        assert name in str(error)


def test_a_waiting_job_is_not_queued_twice(trainer: Trainer) -> None:
    answers: Answers = queue.Queue()
    for _ in range(5):
        trainer.submit(job("nonsense", answers))
    error = answers.get(timeout=120)
    assert "KeyError" in str(error)
    trainer.submit(job("other nonsense", answers))
    assert "other nonsense" in str(answers.get(timeout=120)), "only one of the five has run"
