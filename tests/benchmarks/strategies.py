"""Which query strategy needs the fewest labels? Learning curves on frozen vectors, all strategies.

    python -m tests.benchmarks.strategies encode DATA VECTORS [--encoder NAME]
    python -m tests.benchmarks.strategies simulate VECTORS [--seeds 3] [--batch 25] [--labels 500]

`encode` reads DATA/NAME/{train,test}.jsonl.gz ({"text", "label"} or {"text", "labels"} a line) and
writes VECTORS/NAME.npz. `simulate` runs production's own fast round on them and prints, for each
set and strategy, the area under the learning curve (mean score over the rounds; accuracy for one
label a text, micro-F1 for several), with the standard error over the seeds.
"""

import gzip
import json
import os
from argparse import ArgumentParser, Namespace
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.learner import Policy, Snapshot, fast_round
from model.metrics import decisions, scores
from model.strategies import STRATEGIES
from model.types import Floats, Kind

POOL, TEST = 4000, 2000


@dataclass(frozen=True)
class Benchmark:
    labels: tuple[str, ...]
    kind: Kind
    pool: Floats
    pool_targets: Floats
    test: Floats
    test_targets: Floats


@dataclass(frozen=True)
class Case:
    path: Path
    strategy: str
    seed: int
    batch: int
    rounds: int


def encode(arguments: Namespace) -> None:
    from model.encoder import TextEncoder  # noqa: PLC0415 (simulating needs no torch)

    encoder = TextEncoder(arguments.encoder, arguments.max_tokens)
    arguments.vectors.mkdir(parents=True, exist_ok=True)
    for name in arguments.sets or sorted(path.name for path in arguments.data.iterdir()):
        arrays: dict[str, Any] = {}
        for part, most in (("train", POOL), ("test", TEST)):
            rows = _read(arguments.data / name / f"{part}.jsonl.gz", most)
            arrays[f"x_{part}"] = encoder.encode([row["text"] for row in rows]).astype(np.float16)
            arrays[f"y_{part}"] = np.array([json.dumps(_answers(row)) for row in rows])
        np.savez_compressed(arguments.vectors / f"{name}.npz", **arrays)
        print(name, arrays["x_train"].shape, flush=True)


def _read(path: Path, most: int) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:most]]


def _answers(row: dict[str, Any]) -> object:
    return row["labels"] if "labels" in row else row["label"]


def load(path: Path) -> Benchmark:
    arrays = np.load(path)
    answers = {
        part: [json.loads(text) for text in arrays[f"y_{part}"]] for part in ("train", "test")
    }
    multiple = isinstance(answers["train"][0], list)
    sets = {part: [a if multiple else [a] for a in rows] for part, rows in answers.items()}
    labels = sorted({label for row in sets["train"] for label in row})
    targets = {
        part: np.array([[label in row for label in labels] for row in rows], dtype=np.float32)
        for part, rows in sets.items()
    }
    return Benchmark(
        tuple(labels),
        "multiple" if multiple else "single",
        arrays["x_train"],
        targets["train"],
        arrays["x_test"],
        targets["test"],
    )


def area(case: Case) -> float:
    """The mean test score over the rounds of one simulated labelling."""
    data = load(case.path)
    shuffled = np.random.default_rng(case.seed).permutation(len(data.pool))
    vectors, targets = data.pool[shuffled], data.pool_targets[shuffled]
    ids = np.arange(len(vectors), dtype=np.int64)
    is_open = np.ones(len(vectors), dtype=np.bool_)
    metric = "accuracy" if data.kind == "single" else "micro_f1"
    found = []
    for _ in range(case.rounds + 1):
        answered = np.flatnonzero(~is_open)
        snapshot = Snapshot(
            ids, vectors, is_open, answered, targets[answered], data.labels, data.kind
        )
        # No audit tasks: the test set measures, and all strategies learn from all their labels.
        outcome = fast_round(snapshot, Policy(case.strategy, case.batch, 0.0, case.seed))
        if outcome.head is not None:
            answers = decisions(outcome.head.probs(data.test), data.kind)
            found.append(scores(answers, data.test_targets > 0)[metric])
        is_open[outcome.rows] = False
    return float(np.mean(found))


def simulate(arguments: Namespace) -> None:
    paths = sorted(arguments.vectors.glob("*.npz"))
    names = arguments.strategies or list(STRATEGIES)
    rounds = arguments.labels // arguments.batch
    cases = [
        Case(path, name, seed, arguments.batch, rounds)
        for path in paths
        for name in names
        for seed in range(arguments.seeds)
    ]
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        areas = dict(zip(cases, workers.map(area, cases), strict=True))
    print(f"| strategy | {' | '.join(path.stem for path in paths)} |")
    print(f"|---|{'---|' * len(paths)}")
    for name in names:
        cells = []
        for path in paths:
            of_seeds = [areas[case] for case in cases if (case.path, case.strategy) == (path, name)]
            error = np.std(of_seeds, ddof=1) / np.sqrt(len(of_seeds))
            cells.append(f"{np.mean(of_seeds):.3f} ± {error:.3f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    encoding = commands.add_parser("encode")
    encoding.add_argument("data", type=Path)
    encoding.add_argument("vectors", type=Path)
    encoding.add_argument("--sets", nargs="*")
    encoding.add_argument("--encoder", default="all-MiniLM-L6-v2")
    encoding.add_argument("--max-tokens", type=int, default=128)
    encoding.set_defaults(run=encode)
    simulating = commands.add_parser("simulate")
    simulating.add_argument("vectors", type=Path)
    simulating.add_argument("--strategies", nargs="*")
    simulating.add_argument("--seeds", type=int, default=3)
    simulating.add_argument("--batch", type=int, default=25)
    simulating.add_argument("--labels", type=int, default=500)
    simulating.set_defaults(run=simulate)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
