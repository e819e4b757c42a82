"""How many labels until 20 items of a label are found that one item in 10,000 has?

    python -m tests.benchmarks.rare_labels DATA OUT [--seeds 5] [--names none --given 2]

DATA/NAME/train.jsonl.gz are the sets of tests/benchmarks/RESULTS.md. The pool: 500,000 vectors of
the bundled encoder, made once and kept in OUT. 10,000 of them are the questions of BANKING77,
labelled `banking`, but for 50 of one intent, which is the rare label; each seed has another one.
The rest are other texts, labelled by what they are (news, comments, ...): whole ones, and of those
with more than 24 tokens all pieces of 12 tokens, pooled from the states of the whole text. Each
round fits the head, ranks the pool and labels what is chosen: 25 items, or a tenth of what is
labelled once that is more. No deep rounds. Measures on 4,000 other items, and on what is left of
the rare intent.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from model.choosing.audit import in_reserve
from model.corpus import Corpus, read
from model.dataset.ranking import Block, Ranking
from model.dataset.sizes import PART_ITEMS
from model.encoders.text import (
    BATCH_TOKENS,
    BUNDLED,
    TextEncoder,
    batches_of_similar_length,
)
from model.encoders.vectors import standardised
from model.heads.head import Head
from model.heads.names import readable
from model.learner import fast_round
from model.measuring.curves import standard_error
from model.snapshot import Policy, Snapshot
from model.types import Floats, Ints

TOKENS, WINDOW, TOGETHER = 128, 12, 512
BANKING = "banking77"
SETS = {
    BANKING: ("banking", 20_000),
    "trec6": ("question", 20_000),
    "goemotions-ekman": ("comment", 6_000),
    "agnews": ("news", 3_000),
    "reuters10": ("business report", 2_000),
    "amazon-tree": ("product review", 1_500),
    "subj": ("film", 2_000),
    "imdb-tv16": ("television series", 20_000),
    "semeval18-ec": ("tweet", 5_000),
}
"""Folder -> what its texts are labelled, and how many of them are used at most."""

RARE = (
    "lost_or_stolen_card",
    "exchange_rate",
    "pending_transfer",
    "age_limit",
    "card_not_working",
)
"""Of BANKING77's intents, one a seed."""

ITEMS, EACH, TEST, CENTRE = 500_000, 50, 4_000, 2_000
ENOUGH, SHOWN = (5, 10, 20), (250, 500, 1000, 2000)
SHARE = 0.1

ARMS = ("with", "without", "random")


@dataclass(frozen=True)
class Pool:
    """Vectors (n, d), and which of the labels (n,) each has; the last label is the rare one. The
    same of what is measured on. names (c, d): vectors of the labels' names."""

    vectors: Floats
    truth: Ints
    test_vectors: Floats
    test_truth: Ints
    labels: tuple[str, ...]
    names: Floats | None

    @property
    def rare(self) -> int:
        return len(self.labels) - 1

    def tickets(self) -> Ints:
        return np.arange(1, len(self.truth) + 1)


def pieces(encoder: TextEncoder, texts: list[str]) -> tuple[Floats, Ints]:
    """Vectors (n, d) of the texts and of all pieces of the long ones, and the row of the text (n,)
    that each is of, that of the whole text first."""
    tokens, found, rows = encoder.read_in_windows(texts).tokens, [], []
    lengths = [len(ids) for ids in tokens["input_ids"]]
    with torch.inference_mode():
        for batch in batches_of_similar_length(lengths, BATCH_TOKENS):
            some = {name: [ids[row] for row in batch] for name, ids in tokens.items()}
            states, _ = encoder.states(encoder.reader(), some)
            for row, one in zip(batch.tolist(), states.numpy(), strict=True):
                found.append(pooled(one[: lengths[row]]))
                rows.append(np.full(len(found[-1]), row))
    return standardised(np.concatenate(found)).astype(np.float16), np.concatenate(rows)


def pooled(states: Floats) -> Floats:
    """The mean of the states (t, d), and those of all WINDOW in a row, if they are many."""
    size = len(states)
    sums = np.vstack([np.zeros((1, states.shape[1])), states.cumsum(axis=0)])
    first = np.arange(1, size - WINDOW) if size > 2 * WINDOW else np.zeros(0, np.int64)
    windows: Floats = (sums[first + WINDOW] - sums[first]) / WINDOW
    return np.vstack([sums[-1:] / size, windows])


def encoded(name: str, data: Path, out: Path) -> tuple[Floats, Ints, Corpus]:
    """Vectors of a set, the row of the text (n,) that each is of, and the texts."""
    corpus = read(data / name / "train.jsonl.gz").sample(SETS[name][1], 0)
    _, firsts = np.unique(corpus.texts, return_index=True)
    corpus, kept = corpus.take(np.sort(firsts)), out / f"{name}.npz"
    if not kept.exists():
        encoder, found = TextEncoder(BUNDLED, TOKENS), []
        for start in range(0, len(corpus), TOGETHER):
            vectors, sources = pieces(encoder, list(corpus.texts[start : start + TOGETHER]))
            found.append((vectors, sources + start))
            print(f"{name}: {start + TOGETHER} of {len(corpus)} texts", flush=True)
        vectors, sources = (np.concatenate(some) for some in zip(*found, strict=True))
        np.savez(kept, vectors=vectors, sources=sources)
    arrays = np.load(kept)
    return arrays["vectors"], arrays["sources"], corpus


def pool_of(arguments: Namespace, seed: int) -> Pool:
    rng, intent = np.random.default_rng(seed), RARE[seed % len(RARE)]
    vectors, sources, corpus = encoded(BANKING, arguments.data, arguments.out)
    _, wholes = np.unique(sources, return_index=True)
    is_rare = corpus.targets[sources[wholes], corpus.labels.index(intent)] > 0
    rare = rng.permutation(wholes[is_rare])
    found = [vectors[wholes[~is_rare]]]
    others = [name for name in SETS if name != BANKING]
    found += [encoded(name, arguments.data, arguments.out)[0] for name in others]
    room = arguments.items + TEST - EACH - len(found[0])
    share = min(1.0, room / sum(map(len, found[1:])))
    found[1:] = [some[rng.random(len(some)) < share] for some in found[1:]]
    truth = np.repeat(np.arange(len(found)), [len(some) for some in found])
    everything, order = np.concatenate(found), rng.permutation(len(truth))
    test, pool = order[:TEST], order[TEST:]
    labels = (*(said for said, _ in SETS.values()), intent)
    in_pool = rng.permutation(len(pool) + EACH)
    return Pool(
        np.concatenate([everything[pool], vectors[rare[:EACH]]])[in_pool],
        np.concatenate([truth[pool], np.full(EACH, len(found))])[in_pool],
        np.concatenate([everything[test], vectors[rare[EACH:]]]),
        np.concatenate([truth[test], np.full(len(rare) - EACH, len(found))]),
        labels,
        None if arguments.names == "none" else named(labels),
    )


def named(labels: tuple[str, ...]) -> Floats:
    found: Floats = TextEncoder(BUNDLED, TOKENS).encode([readable(label) for label in labels])
    return found.astype(np.float16)


@dataclass
class Run:
    """What is labelled, as rows of the pool, in this order; `sample`: rows that stand for the pool
    where the head is fitted."""

    pool: Pool
    policy: Policy
    sample: Ints
    done: list[int]
    head: Head | None = None
    start: Head | None = None

    def learn(self) -> None:
        """Fit the head."""
        known = self.known()
        outcome = fast_round(
            replace(
                known,
                ids=np.concatenate([known.ids, -self.sample]),
                vectors=np.concatenate(
                    [known.vectors[known.answered], self.pool.vectors[self.sample]]
                ),
                open=np.zeros(len(known.ids) + len(self.sample), bool),
                names=self.pool.names,
            ),
            self.policy,
            self.start,
        )
        self.head, self.start = outcome.head, outcome.fitted

    def known(self) -> Snapshot:
        """What is labelled."""
        pool, rows = self.pool, np.array(self.done, np.int64)
        return Snapshot(
            pool.tickets()[rows],
            pool.vectors[rows],
            np.zeros(len(rows), bool),
            np.arange(len(rows)),
            np.eye(len(pool.labels), dtype=np.float32)[pool.truth[rows]],
            pool.labels,
            "single",
        )

    def label(self) -> None:
        """What the ranking chooses."""
        known, tickets = self.known(), self.pool.tickets()
        ranking = Ranking(known, self.head, self.policy, known.ids)
        for part, start in enumerate(range(0, len(tickets), PART_ITEMS)):
            some = slice(start, start + PART_ITEMS)
            ranking.see(Block(part, tickets[some], self.pool.vectors[some]))
        self.done += (ranking.chosen().tickets - 1).tolist()

    def found(self) -> int:
        return int((self.pool.truth[self.done] == self.pool.rare).sum())

    def scores(self) -> tuple[float, float, float]:
        """Macro-F1 of the other labels, precision and recall of the rare one."""
        pool = self.pool
        if self.head is None:
            return (float("nan"),) * 3
        answers, truth = self.head.probs(pool.test_vectors).argmax(axis=1), pool.test_truth
        right = np.bincount(truth[answers == truth], minlength=len(pool.labels))
        given, true = (np.bincount(some, minlength=len(pool.labels)) for some in (answers, truth))
        f1 = 2.0 * right / np.maximum(given + true, 1)
        rare = right[-1] / np.maximum([given[-1], true[-1]], 1)
        return float(f1[:-1].mean()), float(rare[0]), float(rare[1])


def play(pool: Pool, arm: str, seed: int, given: int, most: int) -> dict[str, list[Any]]:
    """Per round: labels, rare ones among them, and scores."""
    strategy = "random" if arm == "random" else "variance"
    is_off = patch("model.dataset.ranking.rare_of", return_value=None)
    sample = np.random.default_rng(seed).choice(len(pool.truth), CENTRE, replace=False)
    is_audit = in_reserve(pool.tickets(), SHARE, seed)
    first = np.flatnonzero((pool.truth == pool.rare) & ~is_audit)[:given]
    run = Run(pool, Policy(strategy, 25, SHARE, seed), sample, first.tolist())
    found: dict[str, list[Any]] = {"labels": [], "rare": [], "scores": []}
    with is_off if arm == "without" else nullcontext():
        while True:
            run.policy = Policy(strategy, max(25, len(run.done) // 10), SHARE, seed)
            run.learn()
            found["labels"].append(len(run.done))
            found["rare"].append(run.found())
            found["scores"].append(run.scores())
            print(arm, seed, len(run.done), run.found(), found["scores"][-1], flush=True)
            if len(run.done) >= most:
                return found
            run.label()


def played(arguments: Namespace, seed: int) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """The runs of a seed by arm; those of an earlier call are not played again."""
    path, pool = arguments.out / "runs.jsonl", None
    lines = path.read_text().splitlines() if path.exists() else []
    before = dict(json.loads(line) for line in lines)
    for arm in arguments.arms:
        name = f"{arm}, seed {seed}, names {arguments.names}, {arguments.given} given"
        name += f", {arguments.items} items, {arguments.most} labels"
        if name not in before:
            pool = pool or pool_of(arguments, seed)
            before[name] = play(pool, arm, seed, arguments.given, arguments.most)
            with path.open("a") as file:
                file.write(json.dumps([name, before[name]]) + "\n")
        yield arm, before[name]


def row(arm: str, runs: list[dict[str, list[Any]]]) -> str:
    """A line of the table."""
    cells = []
    for enough in ENOUGH:
        needed = sorted(until(run, enough) for run in runs)
        middle = needed[len(needed) // 2]
        cells.append(f"{middle:.0f} ({needed[0]:.0f} to {needed[-1]:.0f})")
    for labels in SHOWN:
        at = [int(np.argmax(np.array(run["labels"]) >= labels)) for run in runs]
        if any(run["labels"][-1] < labels for run in runs):
            continue
        pairs = list(zip(runs, at, strict=True))
        scores = np.array([run["scores"][place] for run, place in pairs])
        rare = np.mean([run["rare"][place] for run, place in pairs])
        f1, error = scores[:, 0].mean(), standard_error(scores[:, 0])
        cells.append(f"{rare:.1f}; {f1:.3f} ± {error:.3f}; {scores[:, 2].mean():.2f}")
    return f"| {arm} | {' | '.join(cells)} |"


def until(run: dict[str, list[Any]], enough: int) -> float:
    """Labels until so many rare ones are found, infinite if they are not."""
    pairs = zip(run["labels"], run["rare"], strict=True)
    return next((labels for labels, rare in pairs if rare >= enough), float("inf"))


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=list(ARMS))
    parser.add_argument("--names", choices=("given", "none"), default="given")
    parser.add_argument("--given", type=int, default=0, help="rare examples labelled beforehand")
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--most", type=int, default=2000, help="labels of a run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs: dict[str, list[dict[str, list[Any]]]] = {arm: [] for arm in arguments.arms}
    for seed in range(arguments.seeds):
        for arm, run in played(arguments, seed):
            runs[arm].append(run)
    found = " | ".join(f"until {enough}" for enough in ENOUGH)
    print(f"| | {found} | {' | '.join(f'at {labels}' for labels in SHOWN)} |")
    for arm, some in runs.items():
        print(row(arm, some))


if __name__ == "__main__":
    main()
