"""A project with a dataset that is never imported, live in a real Label Studio on sqlite.

    python -m tests.benchmarks.dataset_live --label-studio BIN [--items N] [--labels N] [--encode]

Short texts as Parquet: a dozen words in turn from the BBC articles, numbered (see large_live); the
label is the article's topic. Deep rounds are off. Prints JSON lines: seconds of `pool add`, until
the first tasks and the first order; seconds from a submit to the order that knows of it, what came
out of order, twice or not at all, and imports; with --encode also items a second until all are
encoded, beside the encoder alone on texts of the same kind, in this process and at the same time.
"""

import json
import tempfile
import time
from argparse import ArgumentParser
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from backend.dev import local
from backend.studio.api import Studio
from model.encoders.text import BUNDLED, TextEncoder
from tests.benchmarks.large_live import texts
from tests.benchmarks.test_live import MEGABYTE, memory_of
from tests.studio.bench import Bench, until
from tests.studio.test_dataset import first_open, items_of, pool

ROWS_A_FILE, BARE, SHOWN_EACH = 250_000, 8192, 250


def play(arguments: Any, folder: Path) -> None:
    studio_server = local.label_studio(folder, local.free_port(), arguments.label_studio)
    backend = local.backend(folder, local.free_port(), studio_server.url, deep_rounds="no")
    written(folder / "texts", arguments.items)
    with studio_server, backend:
        studio_server.wait_until_up()
        backend.wait_until_up()
        bench = Bench(Studio(studio_server.url, local.TOKEN), backend, folder / "models", {})
        project = bench.empty_project()
        bench.connect(project)
        until("a mirror", lambda: bench.mirror_path(project).exists())
        began = time.monotonic()
        status, said = pool(bench, "add", str(folder / "texts"), "--project", str(project))
        assert status == 0, said
        added = time.monotonic()
        until("tasks", lambda: bench.studio.of(project).describe()["task_number"], 600)
        imported = time.monotonic()
        until("an order", lambda: bench.ranks(project), 600)
        until("the switch", lambda: bench.is_ordered(project) and bench.is_switched(project))
        ordered = time.monotonic()
        tell(
            items=arguments.items,
            add_s=added - began,
            first_tasks_s=imported - began,
            first_order_s=ordered - began,
        )
        if arguments.encode:
            tell(**encoding(bench, project, arguments.items))
        tell(**labelling(bench, project, arguments.labels))


def written(folder: Path, count: int) -> None:
    folder.mkdir()
    rows = ({"id": f"t{number}", **row} for number, row in enumerate(texts(count)))
    while part := list(islice(rows, ROWS_A_FILE)):
        table = pa.Table.from_pylist(part)
        parquet.write_table(table, folder / f"{part[0]['id']}.parquet")


def encoding(bench: Bench, project: int, items: int) -> dict[str, float]:
    """Items a second while the dataset is encoded, and of the encoder alone beside it."""
    encoder, some = TextEncoder(BUNDLED, 128), [row["story"] for row in texts(BARE)]
    began, first = time.monotonic(), share_of(bench, project)
    encoder.encode(some)
    bare = BARE / (time.monotonic() - began)
    until("all encoded", lambda: share_of(bench, project) == 1.0, 4 * 3600)
    seconds = time.monotonic() - began
    return {"encoded_s": seconds, "a_second": (1.0 - first) * items / seconds, "bare": bare}


def share_of(bench: Bench, project: int) -> float:
    return float(bench.state(project)["dataset"]["encoded"])


def labelling(bench: Bench, project: int, labels: int) -> dict[str, float]:
    studio, refreshes, out_of_order, peak = bench.studio.of(project), [], 0, 0
    labelled: set[int] = set()
    for _ in range(labels):
        asked_first = first_open(bench, project, labelled)
        task = studio.next_task()
        assert task is not None
        asked_first |= first_open(bench, project, labelled)
        out_of_order += task["id"] not in asked_first
        bench.submit(task, [task["data"]["topic"]])
        submitted = time.monotonic()
        bench.until_learnt(project, task["id"])
        refreshes.append(time.monotonic() - submitted)
        labelled.add(task["id"])
        peak = max(peak, sum(memory_of(bench.server.pid()).values()))
        if len(labelled) % SHOWN_EACH == 0:
            tell(so_far=len(labelled), refresh_p50_s=float(np.median(refreshes)))
    found = list(items_of(bench, project).values())
    return {
        "labels": labels,
        "refresh_p50_s": float(np.median(refreshes)),
        "refresh_max_s": max(refreshes),
        "out_of_order": out_of_order,
        "lost": len(labelled - bench.labels_known(project)),
        "tasks": len(found),
        "twice": len(found) - len(set(found)),
        "encoded": share_of(bench, project),
        "server_and_trainer_mb": peak / MEGABYTE,
    }


def tell(**figures: float) -> None:
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}), flush=True)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--label-studio", required=True, help="the executable")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--encode", action="store_true", help="wait until all are encoded")
    with tempfile.TemporaryDirectory() as name:
        play(parser.parse_args(), Path(name))


if __name__ == "__main__":
    main()
