"""What does it take to draw the map of a pool?

    python -m tests.benchmarks.map_drawing [--points 10000 100000] [--encoder-dimension 384]

Made vectors, unit length: a mixture of 50 Gaussians, on disk as float16 as a project keeps them.
Prints a JSON line a size, each measured in a process of its own: seconds and processor seconds of
the draft by components, of the map, and of the map again after a twentieth more points came; memory
at its peak in MB, and what the libraries took of it before. Threads: OMP_NUM_THREADS.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from model.mapping.draft import principal
from model.mapping.layout import laid_out
from model.storage.vectors import VectorStore
from model.types import Floats

GAUSSIANS, PART = 50, 10_000


def fill(vectors: VectorStore, points: int) -> None:
    """Points of the mixture, with their numbers as keys."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((GAUSSIANS, vectors.dimension), dtype=np.float32)
    for start in range(0, points, PART):
        keys = np.arange(start, min(points, start + PART))
        found = rng.standard_normal((len(keys), vectors.dimension), dtype=np.float32)
        found += centres[rng.integers(0, GAUSSIANS, len(keys))]
        vectors.append(keys, found / np.linalg.norm(found, axis=1, keepdims=True))


def timed(drawn: Callable[[], Floats]) -> tuple[Floats, dict[str, float]]:
    began, began_processor = time.perf_counter(), time.process_time()
    found = drawn()
    seconds, processor = time.perf_counter() - began, time.process_time() - began_processor
    return found, {"seconds": round(seconds, 1), "processor_seconds": round(processor, 1)}


def peak() -> float:
    """Memory at its peak so far, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0)


def measure(points: int, dimension: int) -> None:
    """Measure this size in this process, and print it."""
    before, few = peak(), points - points // 20
    with tempfile.TemporaryDirectory() as name:
        vectors = VectorStore(Path(name), dimension)
        fill(vectors, points)
        known = vectors.view(vectors.rows(np.arange(points)))
        some = vectors.view(vectors.rows(np.arange(few)))
        _, draft = timed(lambda: principal(known, 0))
        places, drawn = timed(lambda: laid_out(some, None, 0, lambda _: None))
        start = np.full((points, 2), np.nan, np.float32)
        start[:few] = places
        _, again = timed(lambda: laid_out(known, start, 0, lambda _: None))
    found = {"points": points, "dimension": dimension, "threads": torch.get_num_threads()}
    memory = {"peak_mb": peak(), "libraries_mb": before}
    print(json.dumps({**found, "draft": draft, "map": drawn, "again": again, **memory}), flush=True)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--encoder-dimension", type=int, default=384)
    parser.add_argument("--here", action="store_true", help="in this process")
    asked = parser.parse_args()
    if asked.here:
        measure(asked.points[0], asked.encoder_dimension)
        return
    for points in asked.points:
        command = [sys.executable, "-m", "tests.benchmarks.map_drawing", "--here"]
        sizes = ["--points", str(points), "--encoder-dimension", str(asked.encoder_dimension)]
        subprocess.run([*command, *sizes], check=True)


if __name__ == "__main__":
    main()
