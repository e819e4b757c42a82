"""A large taxonomy live, in a real Label Studio: 10,000 leaves, 20,000 tasks, 1,000 labelled.

    python -m tests.benchmarks.taxonomy_live --label-studio BIN [--labels 20] [--deep-rounds yes]

Nodes are called by words of the BBC articles, tasks are a dozen words among them the names of their
one to three leaves, which are given as often as in real catalogues (Zipf). The first 1,000 tasks
come with their annotations, then some more are labelled through the API. Prints one JSON line:
seconds of the fast rounds, from a submit to the order that knows of it, memory of the server at its
peak, how many tasks came out of order, and how well the leaves are found in the tasks asked.
"""

import json
import re
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from backend.dev import local
from backend.dev.demo import articles
from backend.studio.api import Studio
from backend.types import Json
from tests.benchmarks.taxonomy_round import BRANCHES, LABELLED, LEAVES, ROOTS, TASKS
from tests.benchmarks.test_live import MEGABYTE, memory_of
from tests.studio.bench import Bench, until

WORDS = 12
"""In a task's text."""

Tree = dict[str, dict[str, list[str]]]


def tree() -> tuple[Tree, list[str]]:
    """Roots, branches and leaves, each called by another word; and the words that are left."""
    counts = Counter(re.findall(r"[a-z]{4,}", " ".join(text for text, _ in articles()).lower()))
    words = iter([word for word, _ in counts.most_common()])
    common = [next(words) for _ in range(300)]
    made = {
        next(words): {next(words): [next(words) for _ in range(LEAVES)] for _ in range(BRANCHES)}
        for _ in range(ROOTS)
    }
    return made, common


def interface(made: Tree) -> str:
    nodes = "".join(
        f'<Choice value="{root}">'
        + "".join(
            f'<Choice value="{branch}">'
            + "".join(f'<Choice value="{leaf}"/>' for leaf in leaves)
            + "</Choice>"
            for branch, leaves in branches.items()
        )
        + "</Choice>"
        for root, branches in made.items()
    )
    return (
        '<View><Text name="text" value="$text"/>'
        f'<Taxonomy name="topic" toName="text" required="true">{nodes}</Taxonomy></View>'
    )


def tasks(made: Tree, common: list[str]) -> list[Json]:
    rng = np.random.default_rng(0)
    paths = [
        [root, branch, leaf]
        for root, branches in made.items()
        for branch, leaves in branches.items()
        for leaf in leaves
    ]
    shares = 1.0 / np.arange(1, len(paths) + 1)
    order = rng.permutation(len(paths))
    found = []
    for _ in range(TASKS):
        leaves = rng.choice(len(paths), rng.integers(1, 4), p=shares / shares.sum(), replace=False)
        chosen = [paths[leaf] for leaf in order[leaves].tolist()]
        names = [name for path in chosen for name in path[1:]]
        filler = rng.choice(common, WORDS - len(names)).tolist()
        words = rng.permutation(names + filler)
        found.append({"text": " ".join(words), "paths": chosen})
    return found


def result(paths: list[list[str]]) -> list[Json]:
    region = {"from_name": "topic", "to_name": "text", "type": "taxonomy"}
    return [{**region, "value": {"taxonomy": paths}}]


def hits(task: Json) -> tuple[int, int, int]:
    """Of a task that is shown: leaves found, leaves pre-annotated, leaves there are."""
    truth = {tuple(path) for path in task["data"]["paths"]}
    regions = [region for one in task["predictions"] for region in one["result"]]
    said = {tuple(path) for region in regions for path in region["value"]["taxonomy"]}
    return len(said & truth), len(said), len(truth)


def play(arguments: Any, folder: Path) -> Json:
    made, common = tree()
    rows = tasks(made, common)
    answered = [{"data": row, "annotations": [{"result": result(row["paths"])}]} for row in rows]
    studio_server = local.label_studio(folder, local.free_port(), arguments.label_studio)
    deep = arguments.deep_rounds
    backend = local.backend(folder, local.free_port(), studio_server.url, deep_rounds=deep)
    with studio_server, backend:
        studio_server.wait_until_up()
        backend.wait_until_up()
        bench = Bench(Studio(studio_server.url, local.TOKEN), backend, folder / "models", {})
        began = time.monotonic()
        project = bench.project(answered[:LABELLED], interface(made))
        bench.studio.of(project).import_tasks(rows[LABELLED:])
        imported = time.monotonic()
        bench.connect(project)
        until("all in order", lambda: bench.ranks(project) == TASKS - LABELLED, 3600)
        until("the sampling mode", lambda: bench.is_ordered(project))
        encoded = time.monotonic()
        refreshes, rounds, seen, out_of_order, peak = [], [], np.zeros(3, int), 0, 0
        for _ in range(arguments.labels):
            task, is_in_order = bench.next_in_order(project)
            out_of_order += not is_in_order
            seen += hits(task)
            bench.studio.annotate(task["id"], result(task["data"]["paths"]))
            submitted = time.monotonic()
            bench.until_learnt(project, task["id"])
            refreshes.append(time.monotonic() - submitted)
            version = bench.version(project)
            assert version is not None
            rounds.append(version.facts.seconds)
            peak = max(peak, memory_of(backend.pid())["server"])
        assert version is not None and version.head is not None
        return {
            "leaves": ROOTS * BRANCHES * LEAVES,
            "tasks": TASKS,
            "labels": LABELLED + arguments.labels,
            "learnt_nodes": len(version.head.labels),
            "version": version.name,
            "import_s": round(imported - began, 1),
            "until_all_were_encoded_s": round(encoded - imported, 1),
            "round_p50_s": round(float(np.median(rounds)), 2),
            "round_max_s": round(max(rounds), 2),
            "refresh_p50_s": round(float(np.median(refreshes)), 2),
            "refresh_max_s": round(max(refreshes), 2),
            "server_mb": round(peak / MEGABYTE),
            "out_of_order": out_of_order,
            "leaf_precision": round(float(seen[0] / max(1, seen[1])), 3),
            "leaf_recall": round(float(seen[0] / max(1, seen[2])), 3),
        }


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--label-studio", required=True, help="the executable")
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--deep-rounds", choices=("yes", "no"), default="no")
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(play(parser.parse_args(), Path(name))))


if __name__ == "__main__":
    main()
