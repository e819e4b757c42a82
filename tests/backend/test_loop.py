"""The loop's thread: hints are coalesced, failures are retried, publishing leaves room."""

import threading
import time
from collections.abc import Iterator

import pytest

from backend.errors import StudioError
from backend.project.loop import BACKOFF_LIMIT, Allowance, Hint, ProjectLoop
from backend.project.status import Status
from backend.studio.connection import Connection

CONNECTION = Connection("http://studio.example", "token")


class FakeWork:
    """Work that a test runs turn by turn, and that can be made to fail."""

    def __init__(self, failures: int = 0) -> None:
        self.turns: list[set[Hint]] = []
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.failures = failures
        self.is_closed = False

    def turn(self, hints: set[Hint]) -> Iterator[Status]:
        self.turns.append(hints)
        self.began.release()
        assert self.may_end.acquire(timeout=30)
        if len(self.turns) <= self.failures:
            raise StudioError("Label Studio is away", 503)
        yield Status(title=f"turn {len(self.turns)}")

    def close(self) -> None:
        self.is_closed = True


def started(work: FakeWork, poll_seconds: float = 60.0) -> ProjectLoop:
    loop = ProjectLoop(1, CONNECTION, lambda *_: work, poll_seconds)
    loop.start()
    assert work.began.acquire(timeout=30)
    return loop


def test_hints_during_a_turn_make_one_more_turn() -> None:
    work = FakeWork()
    loop = started(work)
    for _ in range(20):
        loop.wake("labels")
    loop.wake("tasks")
    work.may_end.release(2)
    assert work.began.acquire(timeout=30)
    loop.stop()
    assert work.turns == [{"start"}, {"labels", "tasks"}]
    assert loop.status == Status(title="turn 2"), "others see what the last turn left"
    assert work.is_closed


def test_without_hints_the_loop_looks_by_itself() -> None:
    """Label Studio makes no webhook for a host name without a dot."""
    work = FakeWork()
    loop = started(work, poll_seconds=0.5)
    work.may_end.release(2)
    assert work.began.acquire(timeout=30)
    loop.stop()
    assert work.turns[:2] == [{"start"}, {"beat"}]


def test_a_failed_turn_is_reported_and_retried_with_its_hints() -> None:
    work = FakeWork(failures=1)
    loop = started(work)
    work.may_end.release()
    assert work.began.acquire(timeout=30)
    assert loop.trouble == "Label Studio is away"
    work.may_end.release()
    loop.wake("labels")
    work.may_end.release()
    assert work.began.acquire(timeout=30)
    loop.stop()
    assert work.turns == [{"start"}, {"start", "beat"}, {"labels"}]
    assert loop.trouble is None


@pytest.mark.slow
def test_other_hints_do_not_put_off_the_beat() -> None:
    """Deleted tasks and overwritten settings are noticed at a beat, however busy people are."""
    work = FakeWork()
    loop = started(work, poll_seconds=0.0)
    loop.wake("labels")
    work.may_end.release(2)
    assert work.began.acquire(timeout=30)
    loop.stop()
    assert work.turns[1] == {"labels", "beat"}


def test_after_a_weekend_without_label_studio_it_still_tries() -> None:
    """The power of two of the wait was too large for a number after a thousand failures."""
    loop = ProjectLoop(1, CONNECTION, lambda *_: FakeWork(), 60.0)
    now = time.monotonic()
    assert now < loop._back_off({"labels"}, 5000, "away") <= time.monotonic() + BACKOFF_LIMIT


def test_publishing_takes_a_fifth_of_the_time_after_a_burst() -> None:
    allowance = Allowance(share=0.2, burst=10.0, now=0.0)
    allowance.spend(10.0, now=0.0)
    assert allowance.ready_at() == 0.0, "the burst is free"
    allowance.spend(1.0, now=0.0)
    assert allowance.ready_at() == 5.0, "then a second costs five"
    allowance.spend(0.0, now=1000.0)
    allowance.spend(10.5, now=1000.0)
    assert allowance.ready_at() == 1002.5, "a rest gives back the burst and no more"
