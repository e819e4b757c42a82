"""A ranking pass over a dataset of made vectors, beside what it cannot do without.

    python -m tests.benchmarks.dataset_ranking [--items 1000000] [--labels 10000]

Random vectors of 384 dimensions, a random head, as many labelled items as labels. Prints a JSON
line: seconds of the pass, and of reading all vectors and multiplying them with the head's weights
alone; the peak memory.
"""

import json
import resource
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from model.dataset.parts import VectorParts
from model.dataset.ranking import Block, Ranking
from model.dataset.sizes import PART_ITEMS
from model.heads.head import Head
from model.snapshot import Policy, Snapshot

DIMENSION, SIZE, LABELLED = 384, 500, 10_000


def play(arguments: Any, folder: Path) -> dict[str, float]:
    rng = np.random.default_rng(0)
    parts, starts = VectorParts(folder, DIMENSION), range(0, arguments.items, PART_ITEMS)
    for number, start in enumerate(starts):
        size = min(PART_ITEMS, arguments.items - start)
        vectors = rng.normal(size=(size, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        parts.write(number, vectors, [None] * size)
    labels = tuple(map(str, range(arguments.labels)))
    weights = rng.normal(size=(DIMENSION, len(labels))).astype(np.float32)
    centre, bias = np.zeros(DIMENSION, np.float32), np.zeros(len(labels), np.float32)
    head = Head("single", labels, weights, bias, centre)
    with threadpool_limits(limits=1):
        bare = timed(lambda: multiply(parts, weights))
        before = peak()
        ranking = Ranking(learnt(labels, rng), head, Policy("variance", SIZE, 0.1, 0), no_tickets())
        took = timed(lambda: rank(parts, ranking))
    return {
        "items": arguments.items,
        "labels": len(labels),
        "pass_s": took,
        "read_and_multiply_s": bare,
        "peak_mb": peak(),
        "peak_before_mb": before,
    }


def learnt(
    labels: tuple[str, ...], rng: np.random.Generator, dimension: int = DIMENSION
) -> Snapshot:
    """What is labelled: each label about once."""
    count = min(LABELLED, len(labels))
    targets = np.zeros((count, len(labels)), np.float32)
    targets[np.arange(count), rng.integers(len(labels), size=count)] = 1.0
    return Snapshot(
        ids=-1 - np.arange(count),
        vectors=rng.normal(size=(count, dimension)).astype(np.float16),
        open=np.zeros(count, bool),
        answered=np.arange(count),
        targets=targets,
        labels=labels,
        kind="single",
    )


def no_tickets() -> Any:
    return np.zeros(0, np.int64)


def rank(parts: VectorParts, ranking: Ranking) -> None:
    for number in parts.numbers():
        vectors = parts.read(number)
        assert vectors is not None
        ranking.see(Block(number, number * PART_ITEMS + np.arange(len(vectors)), vectors))
    assert len(ranking.chosen()) == SIZE


def multiply(parts: VectorParts, weights: Any) -> None:
    for number in parts.numbers():
        vectors = parts.read(number)
        assert vectors is not None
        for start in range(0, len(vectors), 1024):
            _ = vectors[start : start + 1024].astype(np.float32) @ weights


def timed(work: Any) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=10_000)
    with tempfile.TemporaryDirectory() as name:
        found = play(parser.parse_args(), Path(name))
        print(json.dumps({key: round(value, 1) for key, value in found.items()}))


if __name__ == "__main__":
    main()
