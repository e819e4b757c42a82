"""The full learner on eight benchmark sets: does it save labels, and how near is it to all labels?

    python -m tests.benchmarks.learner DATA OUT [--sets trec6 subj] [--me5 FOLDER]

Plays `model.simulate` on each set (DATA/NAME/{train,test}.jsonl.gz) with the default strategy,
with random choice and with all labels of the pool, three seeds each, and prints a table. A
run that was cut off goes on where it stopped. Hours on two cores; run two of it, with different
sets, at once.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.encoder import BUNDLED
from model.simulate import FULL, simulate
from model.simulate import parser as simulate_parser


@dataclass(frozen=True)
class Bench:
    """How a set is played: labels a round, and the size of its pool (long texts take minutes)."""

    batch: int = 25
    pool: int = 4000
    train: str = "train"
    is_chinese: bool = False


ROUNDS, TEST_SIZE = 20, 1000
SETS = {
    "trec6": Bench(),
    "subj": Bench(),
    "goemotions-ekman": Bench(),
    "banking77": Bench(batch=100),
    "agnews": Bench(pool=2000, train="train_balanced"),
    "reuters10": Bench(pool=2000),
    "shopping10": Bench(pool=2000, is_chinese=True),
    "car10": Bench(pool=2000, is_chinese=True),
}


def options(name: str, arguments: Namespace) -> Namespace:
    """The options of `python -m model.simulate` for a set."""
    bench, data = SETS[name], arguments.data / name
    words = [str(data / f"{bench.train}.jsonl.gz"), "--test", str(data / "test.jsonl.gz")]
    words += ["--strategy", arguments.strategy, "--full", "--out", str(arguments.out / name)]
    words += ["--batch", str(bench.batch), "--rounds", str(ROUNDS), "--seeds", str(arguments.seeds)]
    words += ["--pool", str(bench.pool), "--test-size", str(TEST_SIZE)]
    words += ["--encoder", arguments.me5 if bench.is_chinese else BUNDLED]
    return simulate_parser().parse_args(words)


def row(name: str, found: dict[str, Any]) -> str:
    """One line of the table: default strategy against random, and against all labels."""
    strategies = found["strategies"]
    ours = next(one for key, one in strategies.items() if key not in ("random", FULL))
    chance, full = strategies["random"], strategies[FULL]
    needed = ours["labels_to_random_final"]
    saved = "-" if needed is None else f"{round(needed)} of {chance['labels']}"
    cells = [
        name,
        found["metric"].replace("_", "-"),
        f"{chance['area']:.3f} ± {chance['area_error']:.3f}",
        f"{ours['area']:.3f} ± {ours['area_error']:.3f}",
        f"{chance['final']:.3f} ± {chance['final_error']:.3f}",
        f"{ours['final']:.3f} ± {ours['final_error']:.3f}",
        saved,
        f"{full['final']:.3f}",
        f"{100 * ours['final'] / full['final']:.1f} %",
    ]
    return f"| {' | '.join(cells)} |"


HEADER = """\
| set | metric | area, random | area, ours | final, random | final, ours \
| labels to random's final | all labels | share reached |
|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--strategy", default="auto,random")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--me5", default="intfloat/multilingual-e5-small", help="Chinese encoder")
    arguments = parser.parse_args()
    lines = [row(name, simulate(options(name, arguments))) for name in arguments.sets]
    print("\n".join([HEADER, *lines]))


if __name__ == "__main__":
    main()
