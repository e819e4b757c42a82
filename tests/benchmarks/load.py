"""Ten people label as fast as Label Studio lets them, training on: does anybody wait for us?

    python -m tests.benchmarks.load --label-studio BIN [--minutes 10] [--database postgresql]
        [--labelled 5000]

`--labelled`: so many tasks have labels before it begins. Memory that grows with the labels, and not
with time, then starts where a longer run ends.

Prints one JSON line: submits and failures, seconds of Label Studio's answers to the annotators,
milliseconds of its webhooks in the backend, seconds of `/predict` of one task as a caller sees it,
the share of the time that publishing took, the memory of server and trainer, and the server's
slope, with its largest memory in each tenth of the run.
"""

import json
import re
import tempfile
import threading
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests

from backend.commands.connect import connect, wait_for_order
from backend.dev import local
from backend.errors import StudioError
from backend.settings import Settings
from backend.studio.api import Studio
from tests.benchmarks.test_live import MEGABYTE, many_stories, memory_of
from tests.soak.annotators import Page, sign_up
from tests.studio.bench import SINGLE, partly_labelled
from tests.studio.migrated import migrated

ANNOTATORS, TASKS = 10, 10_000


@dataclass
class Seen:
    """What the annotators and the watchers saw; lists are only appended to, by any thread."""

    submits: list[float] = field(default_factory=list)
    nexts: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)
    memory: list[tuple[float, int, int]] = field(default_factory=list)


def label(page: Page, project: int, seen: Seen, stop: threading.Event) -> None:
    """One annotator, without a pause."""
    while not stop.is_set():
        try:
            began = time.monotonic()
            task = page.of(project).next_task()
            got = time.monotonic()
            if task is None:
                return
            page.submit(task, task["data"]["topic"])
            seen.nexts.append(got - began)
            seen.submits.append(time.monotonic() - got)
        except StudioError as error:
            seen.failures.append(str(error))


def watch(server: local.LocalProcess, project: int, seen: Seen, stop: threading.Event) -> None:
    """Twice a second: a prediction on demand, and the server's memory."""
    began, number = time.monotonic(), 0
    while not stop.wait(0.5):
        number += 1
        task = {"id": 1, "data": {"story": f"Shares fall {number} points."}}
        asked = time.monotonic()
        answer = requests.post(
            f"{server.url}/predict", json={"tasks": [task], "project": str(project)}, timeout=60
        )
        answer.raise_for_status()
        seen.predictions.append(time.monotonic() - asked)
        memory = memory_of(server.pid())
        seen.memory.append((time.monotonic() - began, memory["server"], memory["trainer"]))


def figures(seen: Seen, log: str, minutes: float) -> dict[str, object]:
    webhooks = [float(ms) for ms in re.findall(r'"POST /webhook HTTP/1.1" 201 (\d+) ms', log)]
    published = [float(found) for found in re.findall(r"published in ([0-9.]+) s", log)]
    at, memory, trainer = np.array(seen.memory, dtype=float).T
    later = at > at[-1] / 2
    slope = np.polyfit(at[later], memory[later], 1)[0]
    return {
        "submits": len(seen.submits),
        "failures": len(seen.failures),
        "next_s": spread(seen.nexts),
        "submit_s": spread(seen.submits),
        "webhook_ms": spread(webhooks),
        "predict_s": spread(seen.predictions),
        "versions": len(published),
        "publishing_share": round(sum(published) / (60.0 * minutes), 3),
        "server_mb": round(memory.max() / MEGABYTE),
        "server_mb_by_tenths": [
            round(part.max() / MEGABYTE) for part in np.array_split(memory, 10)
        ],
        "server_mb_an_hour_in_the_second_half": round(3600.0 * slope / MEGABYTE, 1),
        "trainer_mb": round(trainer.max() / MEGABYTE),
    }


def spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    parts = np.percentile(values, [50, 99, 100])
    return {
        name: round(float(part), 3) for name, part in zip(("p50", "p99", "max"), parts, strict=True)
    }


def play(executable: str, database: str, minutes: float, labelled: int) -> dict[str, object]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="load-")))
        environ = stack.enter_context(migrated(database, folder, executable))
        port = local.free_port()
        studio_server = local.label_studio(folder, port, executable, environ)
        stack.enter_context(studio_server).wait_until_up()
        server = local.backend(
            folder, local.free_port(), studio_server.url, log_level="DEBUG", max_tokens=64
        )
        stack.enter_context(server).wait_until_up()
        studio = Studio(studio_server.url, local.TOKEN)
        project = int(studio.create_project(title="load", label_config=SINGLE)["id"])
        studio.of(project).import_tasks(partly_labelled(many_stories(TASKS), labelled))
        connect(studio, project, server.url, "Active learning", Settings())
        wait_for_order(studio, project)
        tokens = [sign_up(studio.url, f"p{n}@example.com") for n in range(ANNOTATORS)]
        seen, stop = Seen(), threading.Event()
        threads = [
            threading.Thread(target=label, args=(Page(studio.url, token), project, seen, stop))
            for token in tokens
        ]
        threads.append(threading.Thread(target=watch, args=(server, project, seen, stop)))
        for thread in threads:
            thread.start()
        stop.wait(60.0 * minutes)
        stop.set()
        for thread in threads:
            thread.join()
        found = figures(seen, server.log.read_text(errors="replace"), minutes)
    known = {"database": database, "minutes": minutes, "labelled": labelled}
    return {**known, **found, "examples": seen.failures[:3]}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--label-studio", required=True, help="the executable")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--labelled", type=int, default=0, help="tasks with labels to begin with")
    arguments = parser.parse_args()
    print(
        json.dumps(
            play(
                arguments.label_studio,
                arguments.database,
                arguments.minutes,
                arguments.labelled,
            )
        )
    )


if __name__ == "__main__":
    main()
