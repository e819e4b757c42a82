"""A choice on a stream beside one from the whole pool: DATA/NAME/{train,test}.jsonl.gz.

    python -m tests.benchmarks.streams DATA OUT [--sets trec6 agnews] [--seeds 6] [--me5 FOLDER]

300 labels of 4,000 items, 25 a round, by `model.simulate --stream`, with the encoder as it comes;
two to four minutes a set and three seeds. Prints a table, and goes on where an earlier call
stopped. Its last columns: what the stream has less or more of the area than the pool, seed by seed;
how early or late the labels come, as the largest difference of the share of the labels that are
given and that of the items that have arrived; and how many of the labels are audit labels.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np

from model.choosing.audit import in_reserve
from model.encoders.text import BUNDLED
from model.learner import DEFAULT_STRATEGY
from model.measuring.curves import Curves, area, standard_error
from model.simulate import parser as simulate_parser
from model.simulate import simulate
from model.types import Floats

POOL, BATCH, ROUNDS, AUDIT_SHARE = 4000, 25, 12, 0.1
CHINESE = ("shopping10",)
SETS = ("trec6", "agnews", "banking77", "goemotions-ekman", "semeval18-ec", "shopping10")
STREAM = f"{DEFAULT_STRATEGY} (stream)"
ARMS = ("random", DEFAULT_STRATEGY, STREAM, "random (stream)")

HEAD = f"""\
| set | random, area | {" | ".join(f"{arm}, gain" for arm in ARMS[1:])} \
| {" | ".join(f"{arm}, final" for arm in ARMS[:3])} | stream less pool | pace | audit labels |
|---|{"---|" * 10}"""


def points_of(folder: Path, name: str, seed: int) -> list[dict[str, Any]]:
    """The rounds of a run that is finished."""
    lines = (folder / "runs" / f"{name}-{seed}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


def pace(points: list[dict[str, Any]]) -> float:
    """Of a run on a stream: how far the share of labels is from the share of items, at most."""
    arrived = [point["asked"][-1] + 1 for point in points if point["asked"]]
    shares = np.arange(1, len(arrived) + 1) / len(arrived)
    return float(np.abs(np.array(arrived) / POOL - shares).max())


def audits(points: list[dict[str, Any]], seed: int) -> int:
    """How many audit labels a run has."""
    rows = np.array([row for point in points for row in point["asked"]], dtype=np.int64)
    return int(in_reserve(rows + 1, AUDIT_SHARE, seed).sum())


def areas(runs: list[list[dict[str, Any]]], metric: str) -> Floats:
    """Under the curve of each run (seeds,), which has a score from the first round on."""
    labels = np.array([point["labels"] for point in runs[0]])
    return area(Curves(labels, np.array([[one["scores"][metric] for one in run] for run in runs])))


def row(name: str, data: Path, out: Path, encoder: str, seeds: int) -> str:
    folder = data / name
    words = [str(folder / "train.jsonl.gz"), "--test", str(folder / "test.jsonl.gz")]
    words += ["--test-size", "1000", "--pool", str(POOL), "--encoder", encoder, "--no-deep"]
    words += ["--batch", str(BATCH), "--rounds", str(ROUNDS), "--seeds", str(seeds), "--stream"]
    words += ["--audit-share", str(AUDIT_SHARE), "--out", str(out / name)]
    found = simulate(simulate_parser().parse_args(words))
    arms = [found["strategies"][arm] for arm in ARMS]
    pools, streams = (
        [points_of(out / name, arm, seed) for seed in range(seeds)] for arm in ARMS[1:3]
    )
    more = areas(streams, found["metric"]) - areas(pools, found["metric"])
    cells = [
        name,
        f"{arms[0]['area']:.3f} ± {arms[0]['area_error']:.3f}",
        *(f"{one['gain']:+.3f} ± {one['gain_error']:.3f}" for one in arms[1:]),
        *(f"{one['final']:.3f} ± {one['final_error']:.3f}" for one in arms[:3]),
        f"{more.mean():+.3f} ± {standard_error(more):.3f}",
        f"{np.mean([pace(run) for run in streams]):.2f}",
        f"{np.mean([audits(run, seed) for seed, run in enumerate(streams)]):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=SETS)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--me5", default="intfloat/multilingual-e5-small", help="Chinese encoder")
    given = parser.parse_args()
    print(HEAD)
    for name in given.sets:
        encoder = given.me5 if name in CHINESE else BUNDLED
        print(row(name, given.data, given.out, encoder, given.seeds), flush=True)


if __name__ == "__main__":
    main()
