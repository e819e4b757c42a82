"""The whole loop without annotators, on a labelled file: how many labels does a strategy save?

    python -m model.simulate TRAIN --test TEST --strategy cluster_margin,random --out DIR

Rounds are production's own: deep rounds fine-tune the encoder when the labels have grown enough,
fast rounds refit the head and choose what is asked next. DIR gets the learning curves (curves.png),
every round (runs/*.jsonl) and TensorBoard logs (tensorboard --logdir DIR/tensorboard). A run that
was cut off continues where it stopped when the same command is given again. The last line printed
is one JSON object. With --finish it also says what the model might then label by itself; with
--stream each strategy is played on a stream as well, where each item is kept or passed by at once.
"""

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.choosing.strategies import STRATEGIES
from model.corpus import BadCorpus, Corpus, fingerprint, read_pair
from model.encoders.text import BUNDLED
from model.finishing.goal import Goal
from model.learner import resolve_strategy
from model.measuring.curves import Curves, area, draw, labels_to_reach, standard_error
from model.measuring.stopping import DEFAULT_METRIC
from model.simulated_finish import Finished, Wanted, finish, finish_summary, finish_table
from model.simulated_stream import StreamPlan, StreamRun
from model.simulation import NAMES, Plan, Point, Run, play

FULL = "full"
"""Beside the strategies: a single round that is given all labels of the pool."""


def curves_of(runs: list[list[Point]], metric: str) -> Curves:
    """The runs of one strategy as curves over the numbers of labels that all of them have.

    Rounds before the first training label have no score and are left out.
    """
    scored = [[point for point in run if metric in point.scores] for run in runs]
    common = set.intersection(*({point.labels for point in run} for run in scored))
    scores = [[point.scores[metric] for point in run if point.labels in common] for run in scored]
    return Curves(np.array(sorted(common), dtype=np.int64), np.array(scores))


def summary(runs: dict[str, list[list[Point]]], metric: str) -> dict[str, Any]:
    """For each strategy: area under the curve and what it gains over random choice, seed by seed,
    final score, labels needed to reach random's final score, seconds a round. Means over the seeds,
    with standard errors; if nothing was drawn at random, None instead of a comparison."""
    curves = {name: curves_of(found, metric) for name, found in runs.items()}
    chance = curves.get("random")
    found: dict[str, Any] = {}
    for name, one in curves.items():
        seconds = [sum(point.seconds.values()) for run in runs[name] for point in run]
        areas, final = area(one), one.scores[:, -1]
        found[name] = {
            "seeds": len(one.scores),
            "labels": int(one.labels[-1]),
            "area": round(float(areas.mean()), 4),
            "area_error": round(standard_error(areas), 4),
            "final": round(float(final.mean()), 4),
            "final_error": round(standard_error(final), 4),
            **_against_random(one, chance),
            "seconds_a_round": round(float(np.mean(seconds)), 2),
        }
    return found


def _against_random(one: Curves, chance: Curves | None) -> dict[str, float | None]:
    """Gained area, and labels needed to reach random's final score."""
    found: dict[str, float | None] = dict.fromkeys(("gain", "gain_error", "labels_to_random_final"))
    if chance is None:
        return found
    found["labels_to_random_final"] = labels_to_reach(one.labels, one.mean, chance.mean[-1])
    if len(one.labels) > 1:
        # Seed by seed: all strategies of a seed have the same pool, and some pools are easy.
        gains = area(one) - area(chance)
        found["gain"] = round(float(gains.mean()), 4)
        found["gain_error"] = round(standard_error(gains), 4)
    return found


def table(found: dict[str, Any]) -> str:
    """The summary as a Markdown table."""
    lines = [
        "| strategy | area | gain over random | final | labels to random's final | s a round |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        needed, gain = row["labels_to_random_final"], row["gain"]
        gained = "-" if gain is None else f"{gain:+.3f} ± {row['gain_error']:.3f}"
        lines.append(
            f"| {name} | {row['area']:.3f} ± {row['area_error']:.3f} | {gained} "
            f"| {row['final']:.3f} ± {row['final_error']:.3f} "
            f"| {'-' if needed is None else round(needed)} | {row['seconds_a_round']:.1f} |"
        )
    return "\n".join(lines)


def parser() -> ArgumentParser:
    made = ArgumentParser(
        prog="python -m model.simulate",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("train", type=Path, metavar="TRAIN", help="labelled .jsonl or .jsonl.gz: the pool")
    add("--test", type=Path, required=True, help="labelled file to measure on")
    add("--strategy", default="auto,random", help="strategies, separated by commas")
    add("--initial", type=int, default=0, help="labels drawn at random before the first round")
    add("--batch", type=int, default=25, help="labels a round")
    add("--rounds", type=int, default=20, help="rounds of --batch labels")
    add("--seeds", type=int, default=3, help="repetitions, seeds 0 to SEEDS - 1")
    add("--out", type=Path, required=True, help="folder for the results")
    add("--full", action="store_true", help="train once on the whole pool, too, to compare with")
    add("--pool", type=int, help="use this many random examples of TRAIN (default: all)")
    add("--test-size", type=int, help="use this many random examples of TEST (default: all)")
    add("--encoder", default=BUNDLED, help="folder or hub name (default: %(default)s)")
    add("--max-tokens", type=int, default=128, help="of a window (default: %(default)s)")
    add(
        "--max-windows",
        type=int,
        default=8,
        help="of a longer text so many are read (default: %(default)s)",
    )
    add(
        "--audit-share", type=float, default=0.1, help="share of audit tasks (default: %(default)s)"
    )
    add("--deep-first", type=int, default=20, help="labels before tuning (default: %(default)s)")
    add(
        "--deep-growth",
        type=float,
        default=0.2,
        help="tune again when the labels have grown by this share (default: %(default)s)",
    )
    add("--no-guard", action="store_true", help="never mix in random tasks")
    add("--names", choices=NAMES, default="given", help="what the labels are called")
    add("--no-self-training", action="store_true", help="fine-tune on labels alone")
    add("--no-deep", action="store_true", help="never fine-tune: use the pretrained encoder")
    add(
        "--stream",
        action="store_true",
        help="play each strategy with as many labels of a stream, too",
    )
    _add_finish(made)
    return made


def _add_finish(made: ArgumentParser) -> None:
    add = made.add_argument
    add("--finish", metavar="GOALS", help="what the model may label at these precisions: 0.9,0.95")
    add("--confidence", type=float, default=0.9, help="of the promise (default: %(default)s)")
    add(
        "--certify", type=int, default=100, help="further labels to prove it (default: %(default)s)"
    )
    add("--each-label", action="store_true", help="promise it for the answers of each label")
    add("--whole", action="store_true", help="answers are right if they are exactly what is true")


def wanted_of(arguments: Namespace) -> Wanted | None:
    """What --finish asks for; None without it. Raises BadCorpus for what cannot be promised."""
    if arguments.finish is None:
        return None
    each_label, whole = arguments.each_label, arguments.whole
    try:
        goals = [
            Goal(float(precision), arguments.confidence, each_label, whole)
            for precision in arguments.finish.split(",")
        ]
    except ValueError as error:
        raise BadCorpus(f"--finish {arguments.finish}: {error}") from error
    return Wanted(tuple(dict.fromkeys(goals)), arguments.certify)


def plans_of(arguments: Namespace, pool: Corpus) -> list[tuple[str, Plan]]:
    """(name, plan) of every run. Raises BadCorpus for an unknown strategy."""
    names = [resolve_strategy(name) for name in arguments.strategy.split(",")]
    unknown = sorted(set(names) - set(STRATEGIES))
    if unknown:
        raise BadCorpus(f"unknown strategy {unknown[0]!r}; known: {', '.join(STRATEGIES)}")
    for name in ("batch", "rounds", "seeds", "max_windows"):
        if getattr(arguments, name) < 1:
            raise BadCorpus(f"--{name.replace('_', '-')} must be at least 1")
    growth = None if arguments.no_deep else arguments.deep_growth
    made = []
    for seed in range(arguments.seeds):
        for name in dict.fromkeys(names):
            plan = Plan(
                train=fingerprint(arguments.train),
                test=fingerprint(arguments.test),
                strategy=name,
                seed=seed,
                initial=arguments.initial,
                batch=arguments.batch,
                rounds=arguments.rounds,
                pool=arguments.pool,
                test_size=arguments.test_size,
                encoder=arguments.encoder,
                max_tokens=arguments.max_tokens,
                max_windows=arguments.max_windows,
                audit_share=arguments.audit_share,
                deep_first=arguments.deep_first,
                deep_growth=growth,
                guard=not arguments.no_guard,
                names=arguments.names,
                self_training=not arguments.no_self_training,
            )
            made.append((name, plan))
            if arguments.stream:
                made.append((f"{name} (stream)", StreamPlan(**asdict(plan))))
        if arguments.full:
            everything = replace(plan, strategy="random", initial=len(pool), rounds=0)
            made.append((FULL, everything))
    return made


def simulate(arguments: Namespace) -> dict[str, Any]:
    """Play all runs, draw the curves, and return `metric`, the `summary` and, if it was asked for,
    what may be given away at the end. Raises BadCorpus."""
    wanted = wanted_of(arguments)
    pool, test = read_pair(arguments.train, arguments.test)
    metric = DEFAULT_METRIC[pool.kind]
    runs: dict[str, list[list[Point]]] = {}
    ends: dict[str, list[list[Finished]]] = {}
    for name, plan in plans_of(arguments, pool):
        is_stream = isinstance(plan, StreamPlan)
        made = StreamRun if is_stream else Run
        points = play(plan, pool, test, arguments.out, name, made)
        runs.setdefault(name, []).append(points)
        if wanted is not None and name != FULL and not is_stream:
            end = finish(plan, pool, test, arguments.out, name, points, wanted=wanted)
            ends.setdefault(name, []).append(end)
    found = summary(runs, metric)
    curves = {name: curves_of(some, metric) for name, some in runs.items() if name != FULL}
    marks = [found[FULL]["final"]] if FULL in found else []
    draw(curves, metric, arguments.out / "curves.png", marks)
    finished = {name: finish_summary(some) for name, some in ends.items()}
    return {"metric": metric, "strategies": found, **({"finish": finished} if finished else {})}


def main() -> int:
    try:
        found = simulate(parser().parse_args())
    except BadCorpus as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(found["strategies"]))
    if "finish" in found:
        print("\n" + finish_table(found["finish"]))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
