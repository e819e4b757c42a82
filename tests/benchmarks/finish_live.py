"""`python -m backend finish` live, in a real Label Studio on sqlite with the server beside it.

    python -m tests.benchmarks.finish_live --label-studio BIN [--tasks 2225] [--short]

BBC articles, or with --short texts of a dozen words; 60 training labels and 100 audit labels, which
prove a precision of .95 for some answers. Deep rounds are off. Prints a JSON line for each command:
seconds, memory of the command at its peak, and what it said last.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from backend.dev import local
from backend.dev.demo import articles
from backend.studio.api import Studio
from backend.types import Json
from model.choosing.audit import draw
from tests.benchmarks.large_live import AT_ONCE, texts
from tests.soak.annotators import sign_up
from tests.studio.bench import Bench, topic_of, until

LABELS, AUDITS = 60, 100
MODEL = "model@example.com"


def play(arguments: Any, folder: Path) -> None:
    studio_server = local.label_studio(folder, local.free_port(), arguments.label_studio)
    backend = local.backend(folder, local.free_port(), studio_server.url, deep_rounds="no")
    with studio_server, backend:
        studio_server.wait_until_up()
        backend.wait_until_up()
        bench = Bench(Studio(studio_server.url, local.TOKEN), backend, folder / "models", {})
        sign_up(studio_server.url, MODEL)
        project = labelled(bench, arguments)
        print(json.dumps({"tasks": arguments.tasks, "open": bench.ranks(project)}), flush=True)
        for each in (
            ["--dry-run"],
            ["--out", str(folder / "answers.jsonl")],
            *arguments.at_leisure * [["--to", "predictions"], ["--undo"]],
            ["--to", "predictions", "--full-speed"],
            *arguments.more_commands * [["--to", "annotations", "--as", MODEL, "--full-speed"]],
            ["--undo", "--full-speed"],
        ):
            print(json.dumps(finish(bench, project, each)), flush=True)


def labelled(bench: Bench, arguments: Any) -> int:
    """A project whose order knows all labels and all tasks."""
    rows = iter(texts(arguments.tasks)) if arguments.short else iter(whole(arguments.tasks))
    project = bench.project(list(islice(rows, AT_ONCE)))
    while part := list(islice(rows, AT_ONCE)):
        bench.studio.of(project).import_tasks(part)
    tasks = {task["id"]: task["data"] for task in bench.studio.of(project).tasks()}
    ids = np.array(list(tasks))
    in_turn = ids[np.argsort(draw(ids, 0))].tolist()
    for task in [*in_turn[:AUDITS], *in_turn[-LABELS:]]:
        bench.studio.annotate(task, topic_of(tasks[task]))
    bench.connect(project)
    there = arguments.tasks - AUDITS - LABELS
    until("all in order", lambda: bench.ranks(project) == there, 3600)
    until("the mode", lambda: bench.is_ordered(project) and bench.is_switched(project))
    return project


def whole(count: int) -> list[Json]:
    return [{"story": text, "topic": topic} for text, topic in articles()[:count]]


def finish(bench: Bench, project: int, arguments: list[str]) -> Json:
    """One command beside the server: what it took, and what it said last."""
    done = measured(project, arguments, bench.models, bench.studio.url)
    return {**done, "said": done["said"][-4:]}


def measured(project: int, arguments: list[str], models: Path, studio_url: str) -> Json:
    """One command: what it took, and what it said."""
    command = [sys.executable, "-m", "backend", "finish", "--project", str(project), *arguments]
    environ = {
        **os.environ,
        "MODEL_DIR": str(models),
        "LABEL_STUDIO_URL": studio_url,
        "LABEL_STUDIO_API_KEY": local.TOKEN,
    }
    began = time.monotonic()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "command": " ".join(arguments),
        "status": process.returncode,
        "seconds": round(time.monotonic() - began, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": usage.ru_maxrss // 1024,
        "said": said.splitlines(),
    }


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--label-studio", required=True, help="the executable")
    parser.add_argument("--tasks", type=int, default=2225)
    parser.add_argument("--short", action="store_true", help="texts of a dozen words")
    parser.add_argument(
        "--full-speed-only",
        action="store_false",
        dest="at_leisure",
        help="no commands that leave Label Studio most of the time to people",
    )
    parser.add_argument(
        "--no-annotations", dest="more_commands", action="store_const", const=0, default=1
    )
    with tempfile.TemporaryDirectory() as name:
        play(parser.parse_args(), Path(name))


if __name__ == "__main__":
    main()
