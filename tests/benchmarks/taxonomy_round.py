"""A fast round over a taxonomy: 10,000 leaves, 20,000 tasks, 1,000 of them labelled.

    python -m tests.benchmarks.taxonomy_round

Leaves are given as often as in real catalogues (Zipf), one to three a task; a leaf implies the two
nodes above it. Vectors are drawn around their leaf's. Prints seconds of a round, and of the one
after the next label, which begins with its head; and the process's memory at its peak.
"""

import json
import resource
import time

import numpy as np

from backend.interface.controls.taxonomy import Taxonomy
from backend.interface.objects.text import Text
from backend.interface.questions import LabelConfig, Question, Source
from backend.mirror.targets import given_labels, targets_of
from model.learner import DEFAULT_STRATEGY, fast_round
from model.snapshot import Policy, Snapshot

ROOTS, BRANCHES, LEAVES = 20, 25, 20
TASKS, LABELLED, DIMENSION = 20_000, 1_000, 384
PLACES = 50


def question() -> LabelConfig:
    """Each node is a label, the leaves are 10,000 of them."""
    paths: list[tuple[str, ...]] = []
    for root in range(ROOTS):
        paths.append((f"{root}",))
        for branch in range(BRANCHES):
            paths.append((f"{root}", f"{branch}"))
            paths += [(f"{root}", f"{branch}", f"{leaf}") for leaf in range(LEAVES)]
    labels = tuple(" / ".join(path) for path in paths)
    shown = (Source(Text(), "$text"),)
    nodes = dict(zip(labels, paths, strict=True))
    return LabelConfig((Question("c", "t", "multiple", labels, Taxonomy(nodes)),), shown)


def main() -> None:
    rng = np.random.default_rng(0)
    config = question()
    nodes_of = {label: tuple(label.split(" / ")) for label in config.labels}
    leaves = [label for label in config.labels if len(nodes_of[label]) == 3]
    shares = 1.0 / np.arange(1, len(leaves) + 1)
    order = rng.permutation(len(leaves))
    counts = rng.integers(1, 4, TASKS)
    given = [order[rng.choice(len(leaves), n, p=shares / shares.sum())] for n in counts]
    centres = rng.normal(size=(len(leaves), DIMENSION)).astype(np.float32)
    vectors = np.stack([centres[one].mean(axis=0) for one in given])
    vectors += rng.normal(0.0, 0.7, vectors.shape).astype(np.float32)
    answers = []
    for one in given[: LABELLED + 1]:
        paths = [nodes_of[leaves[leaf]] for leaf in one]
        nodes = {" / ".join(path[:depth]) for path in paths for depth in (1, 2, 3)}
        answers.append(config.in_order(nodes))
    policy, head, seconds = Policy(DEFAULT_STRATEGY, PLACES, 0.1, 0), None, []
    for labels in (LABELLED, LABELLED + 1):
        began = time.perf_counter()
        asked = config.learnable(given_labels(answers[:labels]))
        snapshot = Snapshot(
            ids=np.arange(TASKS),
            vectors=vectors.astype(np.float16),
            open=np.arange(TASKS) >= labels,
            answered=np.arange(labels),
            targets=targets_of(answers[:labels], asked.labels),
            labels=asked.labels,
            kind="multiple",
        )
        head = fast_round(snapshot, policy, head).fitted
        seconds.append(round(time.perf_counter() - began, 2))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"first_s": seconds[0], "next_s": seconds[1], "learnt_nodes": len(asked.labels)}
    print(json.dumps({"leaves": len(leaves), "tasks": TASKS, **found, "peak_mb": round(peak)}))


if __name__ == "__main__":
    main()
