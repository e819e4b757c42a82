"""Figures of the live loop against a real Label Studio: `make benchmark`. Nothing here is timed by
an assertion; the figures go into the README with the machine that they were measured on."""

import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
import requests

from backend.dev import local
from backend.types import Json
from tests.studio.bench import Bench, stories, until

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    return {"deep_rounds": "yes", "deep_round_first": 40, "log_level": "INFO", "poll_seconds": 60}


@pytest.mark.parametrize("tasks", [2000, 10_000])
def test_seconds_from_submit_to_the_new_order(bench: Bench, database: str, tasks: int) -> None:
    """Forty labels, one every two seconds: a fast annotator."""
    project = bench.connected(many_stories(tasks))
    seconds = []
    for _ in range(40):
        began = time.monotonic()
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [task["data"]["topic"]])
        submitted = time.monotonic()
        bench.until_learnt(project, task["id"])
        seconds.append(time.monotonic() - submitted)
        time.sleep(max(0.0, 2.0 - (time.monotonic() - began)))
    tell(f"refresh_{tasks}_tasks_{database}", seconds)


# Label Studio only keeps the labels meanwhile, so a second database would tell nothing new.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_webhook_and_memory_while_training_at_10000_tasks(bench: Bench) -> None:
    """Webhooks and predictions come while the deep round fine-tunes and encodes 10,000 texts."""
    project = bench.project(many_stories(10_000))
    bench.connect(project)
    until("all tasks in the order", lambda: bench.ranks(project) == 10_000, 900)
    for _ in range(40):
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [task["data"]["topic"]])
    webhooks, predictions, peaks = [], [], {"server": 0, "trainer": 0}
    body = {"action": "ANNOTATION_UPDATED", "project": {"id": project}}
    one = {"tasks": [{"id": 1, "data": {"story": "Shares fall."}}], "project": str(project)}

    def training_goes_on() -> bool:
        webhooks.append(timed(f"{bench.server.url}/webhook", body))
        predictions.append(timed(f"{bench.server.url}/predict", one))
        for name, memory in memory_of(bench.server.pid()).items():
            peaks[name] = max(peaks[name], memory)
        return bench.served(project).startswith("1.")

    until("the deep round's version", training_goes_on, 900)
    tell("webhook_while_training", webhooks)
    tell("predict_one_task_while_training", predictions)
    print(json.dumps({name: f"{peak // MEGABYTE} MB at the peak" for name, peak in peaks.items()}))


def test_seconds_from_start_to_health(tmp_path: Path) -> None:
    seconds = []
    for number in range(5):
        server = local.backend(tmp_path / str(number), local.free_port(), "http://127.0.0.1:9")
        began = time.monotonic()
        with server:
            server.wait_until_up()
            seconds.append(time.monotonic() - began)
    tell("start_to_health", seconds)


def many_stories(count: int) -> list[Json]:
    """Any number of different texts, made of the real ones."""
    real = itertools.islice(itertools.cycle(stories(2225)), count)
    return [{**task, "story": f"{n} {task['story']}"} for n, task in enumerate(real)]


def timed(url: str, body: object) -> float:
    began = time.monotonic()
    requests.post(url, json=body, timeout=60).raise_for_status()
    return time.monotonic() - began


def memory_of(group: int) -> dict[str, int]:
    """Bytes of resident memory: the trainer, and everything else of the backend's group."""
    found = {"server": 0, "trainer": 0}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(stat[2]) == group:
                is_trainer = b"backend.trainer.worker" in (entry / "cmdline").read_bytes()
                found["trainer" if is_trainer else "server"] += int(stat[21]) * 4096
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return found


def tell(name: str, seconds: list[float]) -> None:
    median, high, top = np.percentile(seconds, [50, 95, 100])
    figures = {"p50_s": median, "p95_s": high, "max_s": top}
    rounded = {key: round(float(value), 3) for key, value in figures.items()}
    print(json.dumps({name: {"n": len(seconds), **rounded}}))
