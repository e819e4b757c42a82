"""A large project live, in a real Label Studio on sqlite: short texts, labelled through its API.

    python -m tests.benchmarks.large_live --label-studio BIN [--tasks 100000] [--labels 20]

Texts are a dozen words in turn from the BBC articles, numbered; the label is the article's topic.
Deep rounds are off, so that only the order is measured. Prints one JSON line: seconds of the
rounds, of publishing, from a submit to the order that knows of it, of Label Studio's own answers,
memory of the server at its peak, how many tasks came out of order.
"""

import json
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from backend.dev import local
from backend.dev.demo import articles
from backend.studio.api import Studio
from backend.types import Json
from tests.benchmarks.test_live import MEGABYTE, memory_of
from tests.studio.bench import Bench, until

WORDS, AT_ONCE = 12, 10_000


def texts(count: int) -> Iterator[Json]:
    known = [(text.split(), topic) for text, topic in articles()]
    for number in range(count):
        words, topic = known[number % len(known)]
        start = WORDS * (number // len(known)) % max(1, len(words) - WORDS)
        yield {"story": f"{number} {' '.join(words[start : start + WORDS])}", "topic": topic}


def play(arguments: Any, folder: Path) -> Json:
    studio_server = local.label_studio(folder, local.free_port(), arguments.label_studio)
    backend = local.backend(folder, local.free_port(), studio_server.url, deep_rounds="no")
    with studio_server, backend:
        studio_server.wait_until_up()
        backend.wait_until_up()
        bench = Bench(Studio(studio_server.url, local.TOKEN), backend, folder / "models", {})
        began = time.monotonic()
        rows = texts(arguments.tasks)
        project = bench.project(list(islice(rows, AT_ONCE)))
        while part := list(islice(rows, AT_ONCE)):
            bench.studio.of(project).import_tasks(part)
        imported = time.monotonic()
        bench.connect(project)
        until("a first order", lambda: bench.ranks(project), 3600)
        ordered = time.monotonic()
        until("all is read", lambda: bench.state(project)["reading"] is None, 3600)
        read = time.monotonic()
        until("all in order", lambda: bench.ranks(project) == arguments.tasks, 3600)
        until("the sampling mode", lambda: bench.is_ordered(project))
        encoded = time.monotonic()
        rounds, refreshes, nexts, submits = [], [], [], []
        out_of_order, peak = 0, 0
        for _ in range(arguments.labels):
            asked = time.monotonic()
            task, is_in_order = bench.next_in_order(project)
            given = time.monotonic()
            out_of_order += not is_in_order
            bench.submit(task, [task["data"]["topic"]])
            submitted = time.monotonic()
            bench.until_learnt(project, task["id"])
            refreshes.append(time.monotonic() - submitted)
            nexts.append(given - asked)
            submits.append(submitted - given)
            version = bench.version(project)
            assert version is not None
            rounds.append(version.facts.seconds)
            peak = max(peak, memory_of(backend.pid())["server"])
        return {
            "tasks": arguments.tasks,
            "labels": arguments.labels,
            "import_s": round(imported - began, 1),
            "first_order_s": round(ordered - imported, 1),
            "until_all_were_read_s": round(read - imported, 1),
            "until_all_were_encoded_s": round(encoded - imported, 1),
            **{
                f"{name}_{kind}_s": round(float(np.quantile(seconds, share)), 2)
                for name, seconds in {
                    "round": rounds,
                    "refresh": refreshes,
                    "next": nexts,
                    "submit": submits,
                }.items()
                for kind, share in {"p50": 0.5, "max": 1.0}.items()
            },
            "server_mb": round(peak / MEGABYTE),
            "out_of_order": out_of_order,
        }


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--label-studio", required=True, help="the executable")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=20)
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(play(parser.parse_args(), Path(name))))


if __name__ == "__main__":
    main()
