"""Whose turn it is in the trainer; nothing runs here."""

from dataclasses import replace
from pathlib import Path

from backend.interface.parse import EXAMPLE
from backend.media.access import access_of
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer.jobs import Job, JobQueue
from backend.trainer.messages import AddBase, Subject
from model.types import EncoderSpec

SUBJECT = Subject(
    Path("nowhere"),
    EXAMPLE,
    (),
    EncoderSpec(("text",), "", "", 8),
    access_of(Connection("", "", ""), Settings()),
    0,
)


def ignore(*_: object) -> None:
    """Nobody waits for these jobs."""


def job(project: int, what: str, *, is_urgent: bool = False) -> Job:
    request = AddBase(SUBJECT)
    return Job((project, what), request, is_urgent, 60.0, ignore, ignore, ignore, ignore)


def queue_of(*jobs: Job) -> JobQueue:
    queue = JobQueue()
    for one in jobs:
        queue.add(one)
    return queue


def order(queue: JobQueue) -> list[tuple[int, str]]:
    return [queue.take().name for _ in range(len(queue))]


def test_first_orders_come_before_deep_rounds() -> None:
    """A new project waited until the deep rounds of all others were done."""
    tunes = [job(project, "tune") for project in (1, 2, 3)]
    queue = queue_of(*tunes, job(4, "base", is_urgent=True))
    assert order(queue) == [(4, "base"), (1, "tune"), (2, "tune"), (3, "tune")]


def test_the_projects_take_turns() -> None:
    """One with many jobs does not put off the others; of its own, the first comes first."""
    mine = [job(1, what) for what in ("tune", "review", "embed 0")]
    queue = queue_of(*mine, job(2, "tune"), job(3, "tune"), job(2, "review"))
    assert order(queue) == [
        (1, "tune"),
        (2, "tune"),
        (3, "tune"),
        (1, "review"),
        (2, "review"),
        (1, "embed 0"),
    ]


def test_turns_are_remembered_when_a_project_asks_again() -> None:
    queue = queue_of(job(1, "embed 0", is_urgent=True), job(2, "embed 0", is_urgent=True))
    assert queue.take().project == 1
    queue.add(job(1, "embed 0", is_urgent=True))
    assert [queue.take().project, queue.take().project] == [2, 1]


def test_an_urgent_job_of_another_project_is_let_in() -> None:
    queue = queue_of(
        job(1, "embed 0", is_urgent=True), job(2, "tune"), job(3, "base", is_urgent=True)
    )
    let_in = queue.take_urgent(besides={1})
    assert let_in is not None and let_in.name == (3, "base")
    assert queue.take_urgent(besides={1}) is None
    assert order(queue) == [(1, "embed 0"), (2, "tune")]


def test_a_job_that_the_process_died_in_is_not_let_in() -> None:
    """A project that ends the process would end the deep rounds of all others again and again."""
    queue = queue_of(replace(job(1, "embed 0", is_urgent=True), deaths=1), job(2, "tune"))
    assert queue.take_urgent(besides={2}) is None
    assert order(queue) == [(1, "embed 0"), (2, "tune")]


def test_the_jobs_of_a_project_can_be_forgotten() -> None:
    queue = queue_of(job(1, "tune"), job(2, "tune"), job(1, "review"))
    queue.forget(1)
    assert queue.knows((2, "tune")) and not queue.knows((1, "tune"))
    assert order(queue) == [(2, "tune")]
