"""What names and the order are worth with the encoder as it comes: DATA/NAME/{train,test}.jsonl.gz.

    python -m tests.benchmarks.first_labels DATA OUT [--sets trec6 subj] [--seeds 10] [--me5 FOLDER]

Plays fast rounds alone, 25 labels a round up to 500, on random pools of 2,000 of 3,000 texts that
are encoded once and kept in OUT, and measures on 1,000 others: accuracy, or micro-F1 where a text
may have several labels. Prints the mean of each arm at the numbers of labels that people ask about,
and the gain of its area over random choice, seed by seed.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.corpus import Corpus, read_pair
from model.encoders.text import BUNDLED, TextEncoder
from model.heads.head import Head
from model.heads.sources import Source
from model.learner import Outcome, fast_round, resolve_strategy
from model.measuring.curves import standard_error
from model.measuring.metrics import scores
from model.measuring.stopping import DEFAULT_METRIC
from model.simulation import called
from model.snapshot import Policy, Snapshot
from model.types import Floats
from tests.benchmarks.learner import SETS

TEXTS, POOL, TEST = 3000, 2000, 1000
BATCH, MOST = 25, 500
SHOWN = (0, 25, 50, 75, 100, 150, 200, 300, 500)


@dataclass(frozen=True)
class Arm:
    """Who chooses, and what the labels are called (`model.simulation.NAMES`)."""

    strategy: str
    names: str


ARMS = {
    "random, no names": Arm("random", "none"),
    "random, names": Arm("random", "given"),
    "ours, no names": Arm("auto", "none"),
    "ours, letters": Arm("auto", "letters"),
    "ours, shuffled": Arm("auto", "shuffled"),
    "ours": Arm("auto", "given"),
}


@dataclass(frozen=True)
class Encoded:
    """Texts and test texts with their vectors, and an encoder for the names."""

    pool: Corpus
    test: Corpus
    vectors: Floats
    test_vectors: Floats
    encoder: TextEncoder

    def names(self, names: str, seed: int) -> Floats | None:
        said = called(self.pool.labels, names, seed)
        has_name = np.array([bool(name) for name in said])
        if not has_name.any():
            return None
        vectors: Floats = self.encoder.encode(said) * has_name[:, None]
        return vectors


def encoded(name: str, data: Path, out: Path, encoder: str) -> Encoded:
    """The set, encoded once and kept in `out`."""
    where = data / name
    pool, test = read_pair(
        where / f"{SETS[name].train}.jsonl.gz",
        where / "test.jsonl.gz",
    )
    pool, test = pool.sample(TEXTS, 123), test.sample(TEST, 0)
    network, kept = TextEncoder(encoder, 128), out / f"{name}.npz"
    if not kept.exists():
        vectors = [network.encode(part.texts).astype(np.float16) for part in (pool, test)]
        out.mkdir(parents=True, exist_ok=True)
        np.savez(kept, pool=vectors[0], test=vectors[1])
    arrays = np.load(kept)
    return Encoded(pool, test, arrays["pool"], arrays["test"], network)


def play(texts: Encoded, arm: Arm, seed: int) -> list[float]:
    """The score after 0, 25, 50 ... labels; NaN while there is no head."""
    return [score(outcome.head, texts) for outcome in outcomes(texts, arm, seed)]


def pool_of(texts: Encoded, seed: int) -> tuple[Corpus, Floats]:
    """The texts that a seed's annotators label, with their vectors."""
    rows = np.random.default_rng(1000 + seed).permutation(len(texts.pool))[:POOL]
    return texts.pool.take(rows), texts.vectors[rows]


def outcomes(
    texts: Encoded, arm: Arm, seed: int, sources: tuple[Source, ...] = (), most: int = MOST
) -> Iterator[Outcome]:
    """The round after 0, 25, 50 ... labels, at most `most`, with weak labels of these sources."""
    pool, vectors = pool_of(texts, seed)
    names = texts.names(arm.names, seed)
    answered: list[int] = []
    start: Head | None = None
    policy = Policy(resolve_strategy(arm.strategy), BATCH, 0.1, seed)
    while len(answered) <= min(most, len(pool) - BATCH):
        known = np.sort(np.array(answered, dtype=np.int64))
        is_open = np.ones(len(pool), np.bool_)
        is_open[known] = False
        outcome = fast_round(
            Snapshot(
                np.arange(1, len(pool) + 1),
                vectors,
                is_open,
                known,
                pool.targets[known],
                pool.labels,
                pool.kind,
                names=names,
                sources=sources,
            ),
            policy,
            start,
        )
        start = outcome.fitted
        yield outcome
        answered += outcome.rows.tolist()


def score(head: Head | None, texts: Encoded) -> float:
    if head is None:
        return float("nan")
    answers = head.answers(head.probs(texts.test_vectors))
    return scores(answers, texts.test.targets > 0)[DEFAULT_METRIC[texts.test.kind]]


def arguments_of(doc: str | None, arms: Collection[str], seeds: int) -> Namespace:
    """What the command of this benchmark, or of one like it, was called with."""
    parser = ArgumentParser(description=doc)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--arms", nargs="*", choices=arms, default=list(arms))
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--me5", default="intfloat/multilingual-e5-small", help="Chinese encoder")
    return parser.parse_args()


def texts_of(name: str, arguments: Namespace) -> Encoded:
    """The set, by the encoder for its language."""
    encoder = arguments.me5 if SETS[name].is_chinese else BUNDLED
    return encoded(name, arguments.data, arguments.out, encoder)


def main() -> None:
    arguments = arguments_of(__doc__, ARMS, seeds=10)
    print(f"| set | arm | {' | '.join(map(str, SHOWN))} | gain over random, no names |")
    print(f"|---|---|{'---|' * len(SHOWN)}---|")
    for name in arguments.sets:
        texts = texts_of(name, arguments)
        chance: Floats | None = None
        for label in arguments.arms:
            runs = np.array([play(texts, ARMS[label], seed) for seed in range(arguments.seeds)])
            chance = runs if chance is None else chance
            print(row(name, label, runs, chance), flush=True)


def row(name: str, label: str, runs: Floats, chance: Floats) -> str:
    """A line of the table. runs, chance (seeds, rounds)."""
    shown = [labels // BATCH for labels in SHOWN if labels // BATCH < runs.shape[1]]
    cells = [f"{mean:.3f}" for mean in runs[:, shown].mean(axis=0)]
    gains = (runs - chance)[:, 1:].mean(axis=1)
    gain = f"{gains.mean():+.3f} ± {standard_error(gains):.3f}"
    return f"| {name} | {label} | {' | '.join(cells)} | {gain} |"


if __name__ == "__main__":
    main()
