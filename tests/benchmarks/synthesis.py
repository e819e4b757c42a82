"""How near to the points of `query_synthesis` are the tasks nearest to them, and how undecided?

    python -m tests.benchmarks.synthesis DATA [--sets trec6 subj banking77]

DATA/NAME/train.jsonl.gz, one label a text: 200 random texts are labelled, a pool of 4,000 others is
open; pretrained encoder. *Cosine*: of a point and the open task nearest to it, the mean. *Margin*:
the measure of that name, 1 for a dead heat of two labels, the mean over these nearest tasks, and
over all. *Among 100, 400*: the share of the points whose nearest task is among so many of the
highest priority, which a dataset keeps 5,000 of.
"""

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import numpy as np

from model.choosing.strategies import margin
from model.choosing.synthesis import boundary_points
from model.corpus import read
from model.encoders.text import BUNDLED, TextEncoder
from model.heads.head import centred, fit_head

LABELLED, POOL = 200, 4000
KEPT = (100, 400)

TITLE = f"""\
| set | points | cosine | margin of the nearest | of all \
| {" | ".join(f"among {most}" for most in KEPT)} |
|{"---|" * (5 + len(KEPT))}"""


def row(name: str, data: Path) -> str:
    """The figures of a set."""
    corpus = read(data / name / "train.jsonl.gz").sample(LABELLED + POOL, 0)
    raw = TextEncoder(BUNDLED, 128).encode(corpus.texts)
    centre = raw.mean(axis=0)
    known, targets = raw[:LABELLED], corpus.targets[:LABELLED]
    head = fit_head(known, targets, corpus.kind, corpus.labels, centre)
    here = replace(head, centre=np.zeros_like(centre))
    points = boundary_points(
        lambda some: here.answers(here.probs(some)),
        centred(known, centre),
        targets,
        np.random.default_rng(0),
    )
    nearness = centred(raw[LABELLED:], centre) @ points.T
    nearest, priority = nearness.argmax(axis=0), nearness.max(axis=1)
    unsure = margin(head.probs(raw[LABELLED:]))
    figures = [nearness.max(axis=0).mean(), unsure[nearest].mean(), unsure.mean()]
    figures += [(priority[nearest] >= np.sort(priority)[-most]).mean() for most in KEPT]
    return f"| {name} | {len(points)} | {' | '.join(f'{one:.2f}' for one in figures)} |"


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=["trec6", "subj", "banking77"])
    arguments = parser.parse_args()
    print(TITLE)
    for name in arguments.sets:
        print(row(name, arguments.data), flush=True)


if __name__ == "__main__":
    main()
