"""The trainer: a real process, one job at a time."""

import errno
import itertools
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import chdir, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.errors import BackendError, JobFailed, TrainerDied
from backend.interface.parse import EXAMPLE, parse
from backend.media.access import access_of, without_tokens
from backend.mirror.pool import Pool
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer.encoders import add_base_encoder
from backend.trainer.jobs import APART_SECONDS, Job, JobQueue
from backend.trainer.messages import (
    AddBase,
    Answer,
    Done,
    Embed,
    Subject,
    Tune,
    request_line,
    request_of,
)
from backend.trainer.process import TRIES, TrainerProcess
from model.types import EncoderSpec
from tests.backend.test_trainer import IGNORE
from tests.studio.bench import until

Answers = queue.Queue[Answer | BackendError]


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work in a folder of its own: the trainer makes folders, and makes them where we are."""
    with chdir(tmp_path_factory.mktemp("elsewhere")):
        yield


@pytest.fixture(scope="module")
def trainer() -> Iterator[TrainerProcess]:
    made = TrainerProcess()
    made.start()
    yield made
    made.stop()


def job(encoder: str, answers: Answers, project: int = 1) -> Job:
    """One that asks for an encoder of this name, which is nowhere: it fails, naming it.

    A name with two slashes cannot be one on the hub, which is therefore not asked: where it cannot
    be reached, it is asked again and again for most of a minute.
    """
    spec = EncoderSpec(("text",), encoder, "", 8)
    access = access_of(Connection("", ""), Settings())
    return Job(
        (project, encoder),
        AddBase(Subject(Path("nowhere"), EXAMPLE, (), spec, access, 0)),
        is_urgent=True,
        silence=600.0,
        on_progress=lambda _, answer: answers.put(answer),
        on_done=lambda _, answer: answers.put(answer),
        on_error=lambda _, error: answers.put(error),
        on_death=lambda *_: None,
    )


def test_a_request_is_read_as_it_was_written() -> None:
    """What a proxy before Label Studio wants to see is in it, where media are to be fetched."""
    connection = Connection("http://studio", "t", "s", "http://x", headers=(("X-Gate", "open"),))
    access = access_of(connection, Settings(media_hosts="a.example, b.example"))
    spec = EncoderSpec(("image",), "", "i", 8)
    asked = AddBase(Subject(Path("/nowhere"), EXAMPLE, ("audio",), spec, access, 3))
    assert request_of(request_line(5, asked)) == (5, asked)
    assert without_tokens(access).headers == ()


@pytest.mark.slow
def test_a_failed_job_says_why_and_the_next_one_runs(trainer: TrainerProcess) -> None:
    answers: Answers = queue.Queue()
    for name in ("no/such/encoder", "no/such/other"):
        trainer.submit(job(name, answers))
        error = answers.get(timeout=120)
        assert isinstance(error, JobFailed)
        assert name in str(error)


@pytest.mark.slow
def test_a_waiting_job_is_not_queued_twice(trainer: TrainerProcess) -> None:
    answers: Answers = queue.Queue()
    for _ in range(5):
        trainer.submit(job("no/such/encoder", answers))
    assert "no/such/encoder" in str(answers.get(timeout=120))
    trainer.submit(job("no/such/other", answers))
    assert "no/such/other" in str(answers.get(timeout=120)), "only one of the five has run"


@pytest.mark.slow
def test_a_machine_without_room_for_a_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No job runs then, but the next ones do when there is room again.

    An empty LOG_LEVEL, as Docker Compose passes it on, made the trainer die at its start.
    """
    monkeypatch.setenv("LOG_LEVEL", "")
    real, refusals = subprocess.Popen, [OSError(errno.EAGAIN, "no room")] * (1 + TRIES)

    def popen(*arguments: Any, **options: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return real(*arguments, **options)

    monkeypatch.setattr("backend.trainer.child.subprocess.Popen", popen)
    trainer, answers = TrainerProcess(), queue.Queue[Answer | BackendError]()
    trainer.submit(job("no/such/first", answers))
    trainer.start()
    assert isinstance(answers.get(timeout=120), TrainerDied)
    trainer.submit(job("no/such/second", answers))
    assert isinstance(answers.get(timeout=120), JobFailed)
    trainer.stop()


def dying(monkeypatch: pytest.MonkeyPatch, deaths: int) -> None:
    """So many processes end in the first job that they are given, in the middle of a line."""
    real, scripts = subprocess.Popen, ["read line; printf '{\"mess'"] * deaths

    def popen(command: list[str], **options: Any) -> Any:
        return real(["sh", "-c", scripts.pop()] if scripts else ["sleep", "600"], **options)

    monkeypatch.setattr("backend.trainer.child.subprocess.Popen", popen)


@pytest.mark.parametrize("folder", ["nowhere", "file"])
def test_after_its_last_failure_the_trainer_is_ready_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
) -> None:
    """No process ran until the next job came, and `/ready` answered 503. What was being read could
    not be asked for in a folder that was moved away at that moment: that ended the trainer's thread
    for good, and so did a line that was cut off."""
    (tmp_path / "file").touch()
    dying(monkeypatch, TRIES)
    trainer, answers = TrainerProcess(), queue.Queue[Answer | BackendError]()
    asked = job("no/such/encoder", answers)
    subject = replace(asked.request.subject, folder=tmp_path / folder)
    trainer.submit(replace(asked, request=AddBase(subject)))
    trainer.start()
    try:
        assert "died 2 times" in str(answers.get(timeout=60))
        until("a process", trainer.is_alive)
    finally:
        trainer.stop()


def labelled_texts(folder: Path, encoder: Path) -> Subject:
    """A project of twenty labelled texts, with its base encoder."""
    folder.mkdir()
    value = {"from_name": "label", "to_name": "text", "type": "choices"}
    given = [[{**value, "value": {"choices": [label]}}] for label in ("Yes", "No")]
    rows = [
        {
            "id": number,
            "data": {"text": f"Text {number}"},
            "annotations": [{"id": number, "result": given[number % 2], "was_cancelled": False}],
        }
        for number in range(20)
    ]
    with closing(Pool(folder / "pool.sqlite")) as pool:
        pool.update(rows, parse(EXAMPLE))
    spec = EncoderSpec(("text",), str(encoder), "", 8)
    subject = Subject(folder, EXAMPLE, (), spec, access_of(Connection("", "", ""), Settings()), 0)
    add_base_encoder(AddBase(subject), IGNORE)
    return subject


@pytest.mark.slow
def test_an_urgent_job_is_done_in_the_middle_of_a_deep_round(
    trainer: TrainerProcess, tmp_path: Path, one_layer: Path
) -> None:
    """A first order waited until the deep round of another project was over."""
    subject = labelled_texts(tmp_path / "1", one_layer)
    tune = Tune(subject, 20, "", audit_share=0.0, empty_is_none=False, label_names=False)
    base = AddBase(replace(subject, folder=tmp_path / "2"))
    done: queue.Queue[str] = queue.Queue()
    steps = itertools.count()

    def ask(*_: object) -> None:
        if next(steps) == 0:
            trainer.submit(Job((2, "base"), base, True, 600.0, ask, tell, tell, ask))

    def tell(job: Job, answer: Done | BackendError) -> None:
        done.put(job.name[1] if isinstance(answer, Done) else str(answer))

    trainer.submit(Job((1, "tune"), tune, False, 600.0, ask, tell, tell, ask))
    assert [done.get(timeout=300) for _ in range(2)] == ["base", "tune"]
    assert next(steps) >= 60, "all steps of the deep round were done, too"


@pytest.mark.slow
def test_a_project_in_which_the_process_ended_beside_another_is_kept_apart(
    trainer: TrainerProcess, tmp_path: Path, one_layer: Path
) -> None:
    """On a machine without memory for both, each new encoding of one project ended the deep round
    of another, which was never done."""
    tuned, other = (labelled_texts(tmp_path / name, one_layer) for name in ("3", "4"))
    tune = Tune(tuned, 20, "", audit_share=0.0, empty_is_none=False, label_names=False)
    embed, done, asked = Embed(other, 0, label_names=False), queue.Queue[str](), ["again", "embed"]
    is_killed = threading.Event()

    def ask(*_: object) -> None:
        if len(asked) == 2:
            os.kill(process_of(trainer), signal.SIGSTOP)  # so that both run when it ends
        if len(asked) == 2 or (asked and is_killed.is_set()):
            trainer.submit(Job((4, asked.pop()), embed, True, 600.0, ignore, tell, tell, ignore))

    def tell(job: Job, answer: Done | BackendError) -> None:
        done.put(job.name[1] if isinstance(answer, Done) else str(answer))

    def ignore(*_: object) -> None:
        pass

    trainer.submit(Job((3, "tune"), tune, False, 600.0, ask, tell, tell, ignore))
    until("two jobs", lambda: trainer.is_busy_with(4))
    is_killed.set()
    os.kill(process_of(trainer), signal.SIGKILL)
    assert [done.get(timeout=300) for _ in range(3)] == ["embed", "tune", "again"]


def test_a_project_is_kept_apart_for_an_hour() -> None:
    """A trainer that had too little memory once need not have it for ever."""
    moments = iter([0.0, APART_SECONDS - 1.0, APART_SECONDS])
    jobs, waiting = JobQueue(lambda: next(moments)), job("an/encoder", queue.Queue(), project=4)
    jobs.keep_apart(4)
    jobs.add(waiting)
    assert jobs.take_urgent(besides={3}) is None
    assert jobs.take_urgent(besides={3}) is waiting


def process_of(trainer: TrainerProcess) -> int:
    """The number of its process."""
    assert trainer._child is not None
    return trainer._child._process.pid


@pytest.mark.slow
def test_a_signal_to_all_processes_of_the_backend_does_not_end_the_trainer(
    trainer: TrainerProcess,
) -> None:
    """systemd and a terminal send it to all at a stop. A trainer that ended by itself left the
    tasks that it read as if they had ended it; the server ends it, and knows that."""
    answers: Answers = queue.Queue()
    trainer.submit(job("no/such/first", answers))
    assert "no/such/first" in str(answers.get(timeout=120))
    process = process_of(trainer)
    for one in (signal.SIGTERM, signal.SIGINT):
        os.kill(process, one)
    trainer.submit(job("no/such/second", answers))
    assert "no/such/second" in str(answers.get(timeout=120))
    assert process_of(trainer) == process


@pytest.mark.slow
def test_a_cancelled_project_leaves_the_queue_and_the_others_go_on() -> None:
    """The project is gone from Label Studio: what it still asked for is forgotten."""
    trainer, answers = TrainerProcess(), queue.Queue[Answer | BackendError]()
    for what in ("no/such/first", "no/such/second"):
        trainer.submit(job(what, answers))
    trainer.submit(job("of/another/project", answers, project=2))
    trainer.cancel(1)
    trainer.start()
    assert "of/another/project" in str(answers.get(timeout=120))
    assert answers.empty()
    trainer.stop()
