"""How long does a fast round over a large pool take: refit, score, choose 100?

    python -m tests.benchmarks.fast_round [--pool 100000]

Vectors of ten clouds, one a label, as float16 like production's; prints a line for each case.
"""

import time
from argparse import ArgumentParser

import numpy as np

from model.finishing.goal import Goal
from model.learner import fast_round
from model.snapshot import Policy, Snapshot
from model.types import Kind

DIMENSION, LABELS = 384, 10


def snapshot(pool: int, answered: int, kind: Kind) -> Snapshot:
    rng = np.random.default_rng(0)
    labels = rng.integers(LABELS, size=pool)
    centres = 1.5 * rng.normal(size=(LABELS, DIMENSION)).astype(np.float32)
    vectors = rng.normal(size=(pool, DIMENSION)).astype(np.float32) + centres[labels]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.sort(rng.permutation(pool)[:answered])
    is_open = np.ones(pool, dtype=np.bool_)
    is_open[rows] = False
    targets = np.eye(LABELS, dtype=np.float32)[labels[rows]]
    names = tuple(f"label {number}" for number in range(LABELS))
    ids = np.arange(1, pool + 1)
    return Snapshot(ids, vectors.astype(np.float16), is_open, rows, targets, names, kind)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=int, default=100_000)
    pool = parser.parse_args().pool
    kinds: tuple[Kind, ...] = ("single", "multiple")
    for kind in kinds:
        for answered in (100, 500):
            case = snapshot(pool, answered, kind)
            for strategy in ("variance", "balanced_cluster_margin"):
                began = time.perf_counter()
                fast_round(case, Policy(strategy, 100, 0.1, 0, goal=Goal()))
                seconds = time.perf_counter() - began
                print(f"{kind}, {answered} labels, {strategy}: {seconds:.2f} s", flush=True)


if __name__ == "__main__":
    main()
