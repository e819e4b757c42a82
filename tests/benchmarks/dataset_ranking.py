"""A ranking pass over a dataset of made vectors, beside what it cannot do without.

    python -m tests.benchmarks.dataset_ranking [--items 1000000] [--labels 10000] [--rare 8]

Random vectors of 384 dimensions, a random head, as many labelled items as labels, and at least
2,000; RARE of the labels have four examples. Prints a JSON line: processor seconds of the pass, and
of reading all vectors and multiplying them with the head's weights alone; the peak memory.
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

DIMENSION, SIZE, LEAST, LABELLED, FEW = 384, 500, 2_000, 10_000, 4


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
        known = learnt(labels, rng, least=LEAST, rare=arguments.rare)
        ranking = Ranking(known, head, Policy("variance", SIZE, 0.1, 0), no_tickets())
        took = timed(lambda: rank(parts, ranking))
    return {
        "items": arguments.items,
        "labels": len(labels),
        "rare": arguments.rare,
        "pass_s": took,
        "read_and_multiply_s": bare,
        "peak_mb": peak(),
        "peak_before_mb": before,
    }


def learnt(
    labels: tuple[str, ...],
    rng: np.random.Generator,
    dimension: int = DIMENSION,
    least: int = 0,
    rare: int = 0,
) -> Snapshot:
    """What is labelled, at least so many: each label about as often, but FEW times the first ones,
    the `rare`."""
    count = max(least, min(LABELLED, len(labels)))
    targets = np.zeros((count, len(labels)), np.float32)
    targets[np.arange(count), rng.integers(rare, len(labels), size=count)] = 1.0
    targets[: FEW * rare] = np.tile(np.eye(rare, len(labels), dtype=np.float32), (FEW, 1))
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
    began = time.process_time()
    work()
    return time.process_time() - began


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=10_000)
    parser.add_argument("--rare", type=int, default=0)
    with tempfile.TemporaryDirectory() as name:
        found = play(parser.parse_args(), Path(name))
        print(json.dumps({key: round(value, 1) for key, value in found.items()}))


if __name__ == "__main__":
    main()
