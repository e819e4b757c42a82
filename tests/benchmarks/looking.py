"""How many labels until ten items of a label are found that one item in 500 has: by a search and
*more like this*, by the default order, and at random?

    python -m tests.benchmarks.looking DATA/reuters10/train.jsonl.gz [--most 2000] [--encoder NAME]

Each label but the two most frequent is the rare one in turn: all but every 500th of its items are
left out. `search`: the 50 items nearest to the label's name are labelled, the nearest first; then
the 50 that are nearest to all that was found, and so on (one search, then *more like this*); where
nothing is found, the search goes on down its list. `order`: the default order with names, fitted
again after each ten labels, without deep rounds. `random`: the mean over all orders, exactly.
Prints a JSON line a label, and one of the medians.
"""

import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np

from model.choosing.audit import in_reserve
from model.choosing.nearest import middle, nearest
from model.corpus import Corpus, read
from model.encoders.text import BUNDLED, TextEncoder
from model.heads.names import readable
from model.learner import DEFAULT_STRATEGY, fast_round
from model.snapshot import Policy, Snapshot, pool_centre
from model.types import Bools, Floats, Ints

ONE_IN, ENOUGH, TOGETHER, A_ROUND, TOKENS = 500, 10, 50, 10, 128
FREQUENT = 2


def play(corpus: Corpus, vectors: Floats, names: Floats, most: int) -> list[dict[str, float]]:
    order = np.argsort(-corpus.targets.sum(axis=0))
    return [one_label(corpus, vectors, names, int(label), most) for label in order[FREQUENT:]]


def one_label(
    corpus: Corpus, vectors: Floats, names: Floats, label: int, most: int
) -> dict[str, float]:
    rng = np.random.default_rng(label)
    has = np.flatnonzero(corpus.targets[:, label] > 0)
    kept = rng.permutation(has)[: len(corpus) // ONE_IN]
    rows = np.sort(np.concatenate([np.flatnonzero(corpus.targets[:, label] == 0), kept]))
    pool, targets = vectors[rows], corpus.targets[rows]
    is_rare = targets[:, label] > 0
    found = {
        "search": searched(pool, is_rare, names[label]),
        "order": ordered(pool, targets, label, corpus.labels, names, most),
        "random": ENOUGH * (len(rows) + 1) / (len(kept) + 1),
    }
    line = {"label": corpus.labels[label], "items": len(kept), "pool": len(rows), **found}
    print(json.dumps(line), flush=True)
    return found


def searched(pool: Floats, is_rare: Bools, name: Floats) -> int:
    """Labels until ENOUGH are found."""
    centre, labelled, query = pool_centre(pool, 0), np.zeros(len(pool), np.bool_), name
    while True:
        near, _ = nearest(pool, query, centre, TOGETHER + int(labelled.sum()))
        for row in near[~labelled[near]][:TOGETHER].tolist():
            labelled[row] = True
            if (labelled & is_rare).sum() == ENOUGH:
                return int(labelled.sum())
        if (labelled & is_rare).any():
            query = middle(pool[labelled & is_rare], centre)


def ordered(
    pool: Floats, targets: Floats, label: int, labels: tuple[str, ...], names: Floats, most: int
) -> int:
    """The same in the default order; `most` where that does not do."""
    policy = Policy(DEFAULT_STRATEGY, A_ROUND, 0.1, 0)
    ids, labelled = np.arange(1, len(pool) + 1), np.zeros(0, np.int64)
    assert in_reserve(ids, policy.audit_share, policy.seed).any(), "audit tasks are asked for, too"
    start = None
    while len(labelled) < most:
        is_open = ~np.isin(np.arange(len(pool)), labelled)
        known = np.sort(labelled)
        snapshot = Snapshot(
            ids, pool, is_open, known, targets[known], labels, "multiple", names=names
        )
        outcome = fast_round(snapshot, policy, start)
        start = outcome.fitted
        labelled = np.concatenate([labelled, outcome.rows])
        if targets[labelled, label].sum() >= ENOUGH:
            reached: Ints = targets[labelled, label].cumsum()
            return int(np.flatnonzero(reached == ENOUGH)[0]) + 1
    return most


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--most", type=int, default=2000, help="labels in the default order")
    parser.add_argument("--encoder", default=BUNDLED)
    arguments = parser.parse_args()
    corpus = read(arguments.corpus)
    encoder = TextEncoder(arguments.encoder, TOKENS)
    vectors = encoder.encode(corpus.texts).astype(np.float16)
    names = encoder.encode([readable(label) for label in corpus.labels])
    found = play(corpus, vectors, names, arguments.most)
    print(json.dumps({arm: float(np.median([one[arm] for one in found])) for arm in found[0]}))


if __name__ == "__main__":
    main()
