"""Which of two texts is chosen: two texts read one by one against both read as one text.

    python -m tests.benchmarks.pairs DATA OUT [--sets agnews prompts] [--seeds 5] [--tune]

DATA/NAME/*.jsonl.gz. Pairs are made from labelled texts:

- agnews: the text whose topic comes first in the order of TOPICS is chosen.
- feelings: of two posts of semeval18-ec the one with more pleasant feelings in it.
- prompts: of two texts of agnews the one that is about the topic of a third, the prompt.
- unrelated: agnews, with another text beside each pair that says nothing of which is chosen.

One choice in twenty is the wrong one. Prints the accuracy on TEST other pairs, the mean of the
seeds: of a head of the kind `pair` on the difference of two vectors, and of one of two exclusive
classes on the vector of both texts together, after as many random labels; and of the kind `pair`
after as many labels in the order of `auto`. `--tune`: also after a deep round at the last number of
labels.
"""

import gzip
import json
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.encoders.finetune import Examples
from model.encoders.joint import Example, JointEncoder
from model.encoders.selftraining import Unlabelled, deep_round
from model.encoders.text import BUNDLED
from model.heads.head import Head, fit_head
from model.learner import fast_round, resolve_strategy
from model.snapshot import Policy, Snapshot
from model.types import EncoderSpec, Floats, Ints, Kind, Layout

POOL, TEST, TOKENS, CHARACTERS = 1000, 600, 64, 250
LABELS = (25, 50, 100, 200)
BATCH = 5
WRONG = 0.05
SIDES = ("left", "right")
PAIR: Layout = ("pair", "text", "text")
TOPICS = ("World", "Business", "Sci/Tech", "Sports")
PLEASANT = {"joy", "optimism", "love", "trust"}
UNPLEASANT = {"anger", "disgust", "fear", "sadness", "pessimism"}


@dataclass(frozen=True)
class Pairs:
    """The first and the second text (n), what is shown beside them, and targets (n, 2)."""

    first: Sequence[str]
    second: Sequence[str]
    beside: Sequence[str]
    targets: Floats

    def one_by_one(self) -> list[Example]:
        """As the backend reads them, see `backend.interface.pairs`."""
        rows = zip(self.first, self.second, self.beside, strict=True)
        return [(None, a, b, *([beside] if beside else [])) for a, b, beside in rows]

    def with_each(self) -> list[Example]:
        """Each of the two with what is beside them as one text."""
        rows = zip(self.first, self.second, self.beside, strict=True)
        return [(None, f"{a}\n{beside}".strip(), f"{b}\n{beside}".strip()) for a, b, beside in rows]

    @property
    def layout(self) -> Layout:
        return ("pair", "text", "text", *(("text",) if self.beside[0] else ()))

    def as_one(self) -> list[Example]:
        """As it reads what a question about whole tasks is asked of."""
        rows = zip(self.first, self.second, self.beside, strict=True)
        return [(f"{a}\n{b}\n{beside}".strip(),) for a, b, beside in rows]


def agnews(data: Path, rng: np.random.Generator) -> Pairs:
    rows = rows_of(data / "agnews" / "train_balanced.jsonl.gz")
    worth = [-TOPICS.index(row["label"]) for row in rows]
    return _pairs(rows, worth, rng)


def unrelated(data: Path, rng: np.random.Generator) -> Pairs:
    pairs = agnews(data, rng)
    rows = rows_of(data / "agnews" / "train.jsonl.gz")[: len(pairs.first)]
    return replace(pairs, beside=[row["text"] for row in rows])


def feelings(data: Path, rng: np.random.Generator) -> Pairs:
    rows = rows_of(data / "semeval18-ec" / "train.jsonl.gz")
    worth = [len(PLEASANT & {*row["labels"]}) - len(UNPLEASANT & {*row["labels"]}) for row in rows]
    return _pairs(rows, worth, rng)


def prompts(data: Path, rng: np.random.Generator) -> Pairs:
    rows = rows_of(data / "agnews" / "train_balanced.jsonl.gz")
    first: list[str] = []
    second: list[str] = []
    beside: list[str] = []
    is_first: list[bool] = []
    while len(first) < POOL + TEST:
        a, b, prompt = (rows[place] for place in rng.integers(len(rows), size=3))
        if (a["label"] == prompt["label"]) != (b["label"] == prompt["label"]):
            first.append(a["text"])
            second.append(b["text"])
            beside.append(prompt["text"])
            is_first.append(a["label"] == prompt["label"])
    return _made(first, second, beside, is_first, rng)


SETS: dict[str, Callable[[Path, np.random.Generator], Pairs]] = {
    "agnews": agnews,
    "feelings": feelings,
    "prompts": prompts,
    "unrelated": unrelated,
}


def rows_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [{**row, "text": row["text"][:CHARACTERS]} for row in rows]


def _pairs(rows: list[dict[str, Any]], worth: Sequence[int], rng: np.random.Generator) -> Pairs:
    """Pairs of different worth."""
    first: list[str] = []
    second: list[str] = []
    is_first: list[bool] = []
    while len(first) < POOL + TEST:
        a, b = rng.integers(len(rows), size=2).tolist()
        if worth[a] != worth[b]:
            first.append(rows[a]["text"])
            second.append(rows[b]["text"])
            is_first.append(worth[a] > worth[b])
    return _made(first, second, [""] * len(first), is_first, rng)


def _made(
    first: list[str],
    second: list[str],
    beside: list[str],
    is_first: list[bool],
    rng: np.random.Generator,
) -> Pairs:
    chosen = np.array(is_first)
    mistaken = (rng.random(len(chosen)) < WRONG) & (np.arange(len(chosen)) < POOL)
    chosen = chosen ^ mistaken
    return Pairs(first, second, beside, np.stack([chosen, ~chosen], axis=1).astype(np.float32))


def accuracy(head: Head | None, vectors: Floats, targets: Floats) -> float:
    """On the test pairs; 0.5 without a head."""
    if head is None:
        return 0.5
    answers = head.answers(head.probs(vectors[POOL:]))
    return float((answers & (targets[POOL:] > 0)).any(axis=1).mean())


def fitted(vectors: Floats, targets: Floats, rows: Ints, kind: Kind) -> Head:
    centre = vectors[:POOL].mean(axis=0)
    return fit_head(vectors[rows], targets[rows], kind, SIDES, centre)


def ordered(vectors: Floats, targets: Floats, strategy: str, seed: int) -> list[Ints]:
    """The rows of the pool that are labelled at each of LABELS, audit tasks among them."""
    policy = Policy(resolve_strategy(strategy), BATCH, 0.1, seed)
    order = np.random.default_rng(seed).permutation(POOL)
    answered, found = order[:0], []
    while len(answered) < LABELS[-1]:
        is_open = np.ones(POOL, np.bool_)
        is_open[answered] = False
        rows = np.sort(answered)
        ids = np.argsort(order) + 1  # another lot for each seed
        snapshot = Snapshot(ids, vectors[:POOL], is_open, rows, targets[rows], SIDES, "pair")
        answered = np.concatenate([answered, fast_round(snapshot, policy).rows[:BATCH]])
        if len(answered) in LABELS:
            found.append(answered)
    return found


def tuned(pairs: Pairs, rows: Ints, seed: int) -> Floats:
    """The vectors after a deep round on these labels, a tenth of which stop it."""
    encoder = JointEncoder(EncoderSpec(pairs.layout, BUNDLED, "", TOKENS))
    examples = pairs.one_by_one()

    def of(some: Ints) -> Examples:
        return Examples([examples[row] for row in some.tolist()], pairs.targets[some])

    held_out, rest = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    deep_round(encoder, of(rest), of(held_out), Unlabelled([]), "pair", seed=seed)
    return encoder.encode(examples)


def encoded(name: str, pairs: Pairs, out: Path) -> dict[str, Floats]:
    """The vectors of two texts as one and one by one, and, where something is beside them, of each
    with that; they are kept in OUT."""
    path = out / f"pairs-{name}.npz"
    if not path.exists():
        # As many tokens for each of two texts.
        read: dict[str, tuple[Layout, int, list[Example]]] = {
            "as one text": (("text",), 2 * TOKENS, pairs.as_one())
        }
        if pairs.beside[0]:
            read["each with the text beside"] = (PAIR, 2 * TOKENS, pairs.with_each())
        read["one by one"] = (pairs.layout, TOKENS, pairs.one_by_one())
        vectors = {
            how: JointEncoder(EncoderSpec(layout, BUNDLED, "", tokens)).encode(examples)
            for how, (layout, tokens, examples) in read.items()
        }
        np.savez(path, **vectors)  # type: ignore[arg-type]
    with np.load(path) as kept:
        return dict(kept)


def _shown(values: list[list[float]]) -> str:
    return " ".join(f"{value:.3f}" for value in np.mean(values, axis=0))


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tune", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("labels", *LABELS)
    for name in arguments.sets:
        pairs = SETS[name](arguments.data, np.random.default_rng(0))
        read = encoded(name, pairs, arguments.out)
        apart = read["one by one"]
        seeds = range(arguments.seeds)
        drawn = {seed: np.random.default_rng(seed).permutation(POOL) for seed in seeds}
        for how, vectors in read.items():
            kind: Kind = "single" if how == "as one text" else "pair"
            found = [
                [
                    accuracy(
                        fitted(vectors, pairs.targets, drawn[seed][:count], kind),
                        vectors,
                        pairs.targets,
                    )
                    for count in LABELS
                ]
                for seed in seeds
            ]
            print(f"{name}, {how}:", _shown(found), flush=True)
        for strategy in ("random", "auto"):
            found = [
                [
                    accuracy(fitted(apart, pairs.targets, rows, "pair"), apart, pairs.targets)
                    for rows in ordered(apart, pairs.targets, strategy, seed)
                ]
                for seed in seeds
            ]
            print(f"{name}, order of {strategy}:", _shown(found), flush=True)
        if arguments.tune:
            found = []
            for seed in seeds:
                rows = drawn[seed][: LABELS[-1]]
                vectors = tuned(pairs, rows, seed)
                head = fitted(vectors, pairs.targets, rows, "pair")
                found.append([accuracy(head, vectors, pairs.targets)])
            print(f"{name}, tuned on {LABELS[-1]}:", _shown(found), flush=True)


if __name__ == "__main__":
    main()
