"""The trainer process: encodes pools and fine-tunes encoders, so that the server never waits.

It reads one request a line on standard input and writes answers to standard output, see
backend.trainer.messages. When its input ends, the server is gone and the process ends at once,
wherever it is: everything it writes is whole or absent.
"""

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from backend.errors import explained
from backend.trainer.embed import embed_pool
from backend.trainer.encoders import Report, add_base_encoder
from backend.trainer.messages import (
    AddBase,
    Advanced,
    Answer,
    Done,
    Embed,
    Failed,
    Request,
    Review,
    Tune,
    line_of,
    request_of,
)
from backend.trainer.review import review_labels
from backend.trainer.tune import tune_encoder
from backend.types import Json

log = logging.getLogger(__name__)

NICENESS = 10
"""Requests and rounds go first; with 19 a busy machine would starve the training."""

JOBS: dict[type[Request], Callable[[Any, Report], Json]] = {
    AddBase: add_base_encoder,
    Embed: embed_pool,
    Tune: tune_encoder,
    Review: review_labels,
}
"""What is done for each request; a job returns facts for the log."""


def main() -> None:
    os.nice(NICENESS)
    level = os.environ.get("LOG_LEVEL") or "INFO"  # an empty variable counts as not set
    logging.basicConfig(level=level, format="trainer: %(message)s")
    logging.getLogger("PIL").setLevel(logging.INFO)  # it logs each piece of each picture
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Whatever a library prints must not end up between our lines.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(answer: Answer) -> None:
        answers.write(line_of(answer) + "\n")

    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True).start()
    while True:
        line = lines.get()
        try:
            request = request_of(line)
            send(Done(JOBS[type(request)](request, lambda share: send(Advanced(share)))))
        except Exception as error:  # the border of the process: every failure becomes an answer
            log.exception("failed: %s", line[:200])
            send(Failed(explained(error)))


def _read_lines(lines: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
