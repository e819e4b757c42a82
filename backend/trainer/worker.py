"""The trainer process: encodes pools and fine-tunes encoders, so that the server never waits.

It reads one request a line on standard input and writes answers to standard output, see
backend.trainer.messages. A request that comes while a job runs is done between two steps of that
job; the server sends only urgent ones then, of another project. When its input ends, the server is
gone and the process ends at once, wherever it is: everything it writes is whole or absent.
"""

import gc
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from backend.errors import explained
from backend.logs import configure
from backend.trainer.messages import (
    AddBase,
    Advanced,
    Answer,
    CoverItems,
    Done,
    Draw,
    Embed,
    EncodeItems,
    Failed,
    FindCopies,
    Judge,
    RankItems,
    Request,
    Review,
    SelectArrivals,
    TakeIn,
    Tune,
    Working,
    answer_line,
    request_of,
)
from backend.trainer.report import Report

log = logging.getLogger(__name__)

NICENESS = 10
"""Requests and rounds go first; with 19 a busy machine would starve the training."""

TELL_SECONDS = 1.0
"""Seconds between two messages that work goes on."""

JOBS: dict[type[Request], tuple[str, str]] = {
    AddBase: ("encoders", "add_base_encoder"),
    Embed: ("embed", "embed_pool"),
    Judge: ("judge", "judge_beginning"),
    Tune: ("tune", "tune_encoder"),
    Review: ("review", "review_labels"),
    Draw: ("draw", "draw_map"),
    FindCopies: ("copies", "find_copies"),
    EncodeItems: ("items", "encode_items"),
    RankItems: ("items", "rank_items"),
    CoverItems: ("coverage", "cover_items"),
    TakeIn: ("arrivals", "take_in_items"),
    SelectArrivals: ("arrivals", "select_arrivals"),
}
"""What is done for each request: a module beside this one, and its function of the request and the
report, which returns facts for the log."""

SELDOM = (Draw, EncodeItems, RankItems, CoverItems, TakeIn, SelectArrivals)
"""Most projects have no dataset, and nobody looks at their map, so what these need is loaded with
the first one of each."""


def job_of(kind: type[Request]) -> Callable[[Any, Report], Any]:
    """The function that does what is asked for."""
    module, name = JOBS[kind]
    job: Callable[[Any, Report], Any] = getattr(import_module(f"backend.trainer.{module}"), name)
    return job


class Worker:
    """Does one job after the other, and urgent ones in between. It is the jobs' Report."""

    def __init__(self, lines: "queue.Queue[str]", write: Callable[[str], object]) -> None:
        self._lines, self._write = lines, write
        self._job = 0
        """The number of the job that is being done."""
        self._told_at = 0.0

    def do(self, line: str) -> None:
        """Do the job that the line asks for, and answer."""
        outer = self._job
        self._job, request = request_of(line)
        self._tell(Working(self._job))
        try:
            self._tell(Done(self._job, job_of(type(request))(request, self)))
        except Exception as error:  # the border of the process: every failure becomes an answer
            log.exception("failed: %s", type(request).__name__)
            self._tell(Failed(self._job, explained(error)))
        self._job = outer

    def advanced(self, share: float) -> None:
        self._tell(Advanced(self._job, share))
        with suppress(queue.Empty):
            line = self._lines.get_nowait()
            with import_module("torch").random.fork_rng():  # a deep round's own draws stay the same
                self.do(line)

    def working(self) -> None:
        if time.monotonic() > self._told_at + TELL_SECONDS:
            self._tell(Working(self._job))

    def _tell(self, answer: Answer) -> None:
        self._told_at = time.monotonic()
        self._write(answer_line(answer) + "\n")


def main() -> None:
    os.nice(NICENESS)
    for one in (signal.SIGTERM, signal.SIGINT):  # sent to all of us at a stop: the server ends us
        signal.signal(one, signal.SIG_IGN)
    # An empty variable counts as not set.
    level, kind = os.environ.get("LOG_LEVEL") or "INFO", os.environ.get("LOG_FORMAT") or "plain"
    configure(level, kind, "trainer: %(message)s")
    logging.getLogger("PIL").setLevel(logging.INFO)  # it logs each piece of each picture
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Whatever a library prints must not end up between our lines.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    load()
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True).start()
    worker = Worker(lines, answers.write)
    # Each layer that a network computes is work: a training step or a batch may take minutes.
    layers = import_module("torch.nn.modules.module")
    layers.register_module_forward_hook(lambda *_: worker.working())
    while True:
        worker.do(lines.get())


def load() -> None:
    """Import what the usual jobs need: now, and not while the first one waits."""
    # What the libraries hold stays. To look for garbage in it meanwhile took a sixth of the time.
    gc.disable()
    for usual in JOBS.keys() - set(SELDOM):
        job_of(usual)
    gc.freeze()
    gc.enable()


def _read_lines(lines: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
