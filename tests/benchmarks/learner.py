"""The learner on twelve benchmark sets, by `model.simulate`: DATA/NAME/{train,test}.jsonl.gz.

    python -m tests.benchmarks.learner saved DATA OUT [--sets trec6 subj] [--me5 FOLDER]
    python -m tests.benchmarks.learner strategies DATA OUT [--sets trec6 subj] [--me5 FOLDER] \
        [--strategies margin random]

`saved`: the full learner, default strategy against random choice (three seeds and more) and against
all labels of the pool (one). Hours on two cores, minutes on a large GPU; two of it, with different
sets, can run at once. `strategies`: all of them, or some, to 200 labels with the encoder as it
comes, minutes a set. Both print tables and go on where an earlier one stopped: with the runs that
stand in the folder `saved`, copied into OUT, the table is printed at once.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.choosing.strategies import STRATEGIES
from model.encoders.text import BUNDLED
from model.simulate import FULL, simulate
from model.simulate import parser as simulate_parser


@dataclass(frozen=True)
class Bench:
    """How a set is played: labels a round, the size of its pool (long texts take minutes), and how
    many seeds (the noisier a set, the more)."""

    batch: int = 25
    pool: int = 4000
    seeds: int = 3
    train: str = "train"
    is_chinese: bool = False


SETS = {
    "trec6": Bench(),
    "subj": Bench(),
    "goemotions-ekman": Bench(seeds=17),
    "banking77": Bench(batch=100),
    "agnews": Bench(pool=2000, train="train_balanced"),
    "reuters10": Bench(pool=2000),
    "shopping10": Bench(pool=2000, is_chinese=True),
    "car10": Bench(pool=2000, is_chinese=True),
    "tnews-few": Bench(is_chinese=True),
    "semeval18-ec": Bench(pool=2000),
    "imdb-tv16": Bench(),
    "amazon-tree": Bench(pool=2000),
}

SAVED = """\
| set | seeds | metric | area, random | area, ours | gain | final, random | final, ours \
| labels to random's final | all labels | share reached |
|---|---|---|---|---|---|---|---|---|---|---|"""


def play(name: str, data: Path, out: Path, me5: str, *more: str) -> dict[str, Any]:
    """Simulate a set; `more`: further options of `python -m model.simulate`."""
    bench = SETS[name]
    words = [str(data / name / f"{bench.train}.jsonl.gz"), "--out", str(out / name)]
    words += ["--test", str(data / name / "test.jsonl.gz"), "--test-size", "1000"]
    words += ["--pool", str(bench.pool), "--batch", str(bench.batch)]
    words += ["--encoder", me5 if bench.is_chinese else BUNDLED]
    return simulate(simulate_parser().parse_args([*words, *more]))


def saved_row(name: str, found: dict[str, Any], full: float) -> str:
    """Default strategy against random, and against the score `full` of all labels of the pool."""
    strategies = found["strategies"]
    ours = next(one for key, one in strategies.items() if key != "random")
    chance = strategies["random"]
    needed = ours["labels_to_random_final"]
    cells = [
        name,
        str(ours["seeds"]),
        found["metric"].replace("_f1", "-F1"),
        *(f"{one['area']:.3f} ± {one['area_error']:.3f}" for one in (chance, ours)),
        f"{ours['gain']:+.3f} ± {ours['gain_error']:.3f}",
        *(f"{one['final']:.3f} ± {one['final_error']:.3f}" for one in (chance, ours)),
        "-" if needed is None else f"{round(needed)} of {chance['labels']}",
        f"{full:.3f}",
        f"{100 * ours['final'] / full:.1f} %",
    ]
    return f"| {' | '.join(cells)} |"


def strategies_table(found: dict[str, dict[str, Any]], figure: str, form: str) -> str:
    """A figure, such as the area under the curve, of each strategy (rows) on each set (columns)."""
    lines = [f"| {figure} | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    for strategy in next(iter(found.values()))["strategies"]:
        rows = [one["strategies"][strategy] for one in found.values()]
        cells = [f"{row[figure]:{form}} ± {row[f'{figure}_error']:.3f}" for row in rows]
        lines.append(f"| {strategy} | {' | '.join(cells)} |")
    return "\n".join(lines)


def saved(sets: Sequence[str], *where: Any) -> None:
    print(SAVED)
    for name in sets:
        once = play(name, *where, "--strategy", "random", "--full", "--seeds", "1")
        found = play(name, *where, "--strategy", "auto,random", "--seeds", str(SETS[name].seeds))
        print(saved_row(name, found, once["strategies"][FULL]["final"]), flush=True)


def strategies(sets: Sequence[str], names: Sequence[str], *where: Any) -> None:
    more = ["--strategy", ",".join(names), "--no-deep", "--no-guard", "--rounds", "8"]
    found = {name: play(name, *where, *more, "--seeds", "5") for name in sets}
    print(strategies_table(found, "area", ".3f"))
    if "random" in names:
        print(f"\n{strategies_table(found, 'gain', '+.3f')}")


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("saved", "strategies"))
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--me5", default="intfloat/multilingual-e5-small", help="Chinese encoder")
    parser.add_argument("--strategies", nargs="*", choices=STRATEGIES, default=list(STRATEGIES))
    arguments = parser.parse_args()
    where = (arguments.data, arguments.out, arguments.me5)
    if arguments.what == "saved":
        saved(arguments.sets, *where)
    else:
        strategies(arguments.sets, arguments.strategies, *where)


if __name__ == "__main__":
    main()
