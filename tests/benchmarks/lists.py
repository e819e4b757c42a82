"""Which of a list's texts is chosen, and their order, from texts one by one and from all as one.

    python -m tests.benchmarks.lists DATA OUT [--sets sport prompts ...] [--seeds 5]

DATA/agnews/*.jsonl.gz. Lists are made from SIZE labelled texts, some with one fewer:

- sport: the only text about sports is chosen.
- prompts: the only text about the topic of the one that is shown beside the list is chosen.
- several: all texts about sports or the world are chosen; at least one is.
- topics: the texts are put in the order of TOPICS; those of one topic are left in one bucket.
- length: the longest text is chosen, which nothing in its vector says.

One answer in twenty is that to another list. Prints, after as many labels (a tenth of them audit
labels), the mean over the seeds and its standard error on TEST other lists: the share of right
choices, of `several` micro-F1, of `topics` the share of pairs in the right order. For choices also
that of one of exclusive places on the vector of all texts as one, after as many random labels.
"""

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.encoders.joint import Example, JointEncoder
from model.encoders.text import BUNDLED
from model.heads.head import Head, fit_head
from model.heads.lists import comparable
from model.heads.orders import ORDERED, ORDERS, PLACES
from model.learner import fast_round, resolve_strategy
from model.measuring.metrics import scores
from model.snapshot import Policy, Snapshot
from model.types import MOST_CANDIDATES, EncoderSpec, Floats, Ints, Kind
from tests.benchmarks.pairs import TOPICS, WRONG, rows_of

POOL, TEST, SIZE, TOKENS = 600, 400, 4, 64
LABELS = (25, 50, 100, 200)
BATCH = 5


@dataclass(frozen=True)
class Lists:
    """The rows (n, MOST_CANDIDATES) of the texts in each list, -1 for none, that of the text beside
    it, -1 for none (n,), and targets (n, c)."""

    kind: Kind
    members: Ints
    beside: Ints
    targets: Floats

    @property
    def labels(self) -> tuple[str, ...]:
        return ORDERS if self.kind == "ranking" else PLACES

    def vectors(self, texts: Floats) -> Floats:
        """As JointEncoder makes them."""
        with_none = np.vstack([texts, np.zeros_like(texts[:1])])
        rows = np.hstack([self.members, self.beside[:, None]])
        return with_none[rows].reshape(len(rows), -1)

    def as_one(self, texts: list[str]) -> list[Example]:
        """As a question about whole tasks reads them."""
        rows = np.hstack([self.members, self.beside[:, None]]).tolist()
        return [("\n".join(texts[row] for row in mine if row >= 0),) for mine in rows]


Made = Callable[[np.ndarray, Ints, int], tuple[bool, list[int]]]
"""Topics of all texts, the rows of a list and of the text beside it -> whether it is a list of this
kind, and what each member is worth."""


def sport(topics: np.ndarray, rows: Ints, beside: int) -> tuple[bool, list[int]]:
    worth = (topics[rows] == "Sports").astype(int).tolist()
    return sum(worth) == 1, worth


def prompts(topics: np.ndarray, rows: Ints, beside: int) -> tuple[bool, list[int]]:
    worth = (topics[rows] == topics[beside]).astype(int).tolist()
    return sum(worth) == 1 and beside not in rows, worth


def several(topics: np.ndarray, rows: Ints, beside: int) -> tuple[bool, list[int]]:
    worth = np.isin(topics[rows], ["Sports", "World"]).astype(int).tolist()
    return sum(worth) > 0, worth


def in_topics(topics: np.ndarray, rows: Ints, beside: int) -> tuple[bool, list[int]]:
    worth = [-TOPICS.index(topic) for topic in topics[rows]]
    return len(set(worth)) > 1, worth


SETS: dict[str, tuple[Kind, Made]] = {
    "sport": ("candidate", sport),
    "prompts": ("candidate", prompts),
    "several": ("candidates", several),
    "topics": ("ranking", in_topics),
}


def lists_of(name: str, topics: np.ndarray, lengths: Ints, rng: np.random.Generator) -> Lists:
    kind, made = SETS.get(name, ("candidate", sport))
    members = np.full((POOL + TEST, MOST_CANDIDATES), -1)
    beside = np.full(len(members), -1)
    worths: list[list[int]] = []
    while len(worths) < len(members):
        rows = rng.integers(len(topics), size=SIZE - int(rng.random() < 0.3))
        prompt = int(rng.integers(len(topics)))
        is_one, worth = made(topics, rows, prompt)
        if name == "length":
            is_one, worth = True, (lengths[rows] == lengths[rows].max()).astype(int).tolist()
        if is_one and len(set(rows.tolist())) == len(rows):
            members[len(worths), : len(rows)] = rows
            beside[len(worths)] = prompt if name == "prompts" else -1
            worths.append(worth)
    targets = np.stack([_target(kind, worth) for worth in worths]).astype(np.float32)
    wrong = np.flatnonzero(rng.random(POOL) < WRONG)
    there = (members >= 0).sum(axis=1)
    for row in wrong:  # the answer to another list of the same length
        alike = np.flatnonzero(there[:POOL] == there[row])
        targets[row] = targets[rng.choice(alike)]
    return Lists(kind, members, beside, targets)


def _target(kind: Kind, worth: list[int]) -> Floats:
    if kind == "ranking":
        size = len(worth)
        return np.array(
            [a < size and b < size and worth[a] > worth[b] for a, b in ORDERED], np.float32
        )
    found = np.zeros(MOST_CANDIDATES, np.float32)
    best = [place for place, one in enumerate(worth) if one == max(worth)]
    found[best[: 1 if kind == "candidate" else None]] = 1
    return found


def score(head: Head | None, vectors: Floats, lists: Lists) -> float:
    """On the test lists; 0 without a head."""
    if head is None:
        return 0.0
    truth = lists.targets[POOL:] > 0
    answers = head.answers(head.probs(vectors[POOL:])) & comparable(truth, lists.kind)
    found = scores(answers, truth)
    return found["accuracy" if lists.kind == "candidate" else "micro_f1"]


def curve(lists: Lists, vectors: Floats, strategy: str, seed: int) -> list[float]:
    """The score at each of LABELS, in the order of a strategy."""
    policy = Policy(resolve_strategy(strategy), BATCH, 0.1, seed)
    order = np.random.default_rng(seed).permutation(POOL)
    answered, found = order[:0], []
    ids = np.argsort(order) + 1  # another lot for each seed
    while True:
        is_open = np.ones(POOL, np.bool_)
        is_open[answered] = False
        rows = np.sort(answered)
        known = lists.targets[rows]
        outcome = fast_round(
            Snapshot(ids, vectors[:POOL], is_open, rows, known, lists.labels, lists.kind), policy
        )
        if len(answered) in LABELS:
            found.append(score(outcome.head, vectors, lists))
        if len(answered) >= LABELS[-1]:
            return found
        answered = np.concatenate([answered, outcome.rows[:BATCH]])


def as_one_text(lists: Lists, vectors: Floats, seed: int) -> list[float]:
    """The same of exclusive places on the vectors of all texts as one."""
    order = np.random.default_rng(seed).permutation(POOL)
    centre, found = vectors[:POOL].mean(axis=0), []
    for count in LABELS:
        rows = order[:count]
        head = fit_head(vectors[rows], lists.targets[rows], "single", PLACES, centre)
        found.append(score(head, vectors, lists))
    return found


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    names = [*SETS, "length"]
    parser.add_argument("--sets", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = rows_of(arguments.data / "agnews" / "train_balanced.jsonl.gz")[:2000]
    texts, topics = [row["text"] for row in rows], np.array([row["label"] for row in rows])
    one_by_one = JointEncoder(EncoderSpec(("text",), BUNDLED, "", TOKENS))
    path = arguments.out / "lists.npy"
    if not path.exists():
        np.save(path, one_by_one.encode([(text,) for text in texts]))
    read = np.load(path)
    print("labels", *LABELS)
    for name in arguments.sets:
        lists = lists_of(name, topics, np.array(list(map(len, texts))), np.random.default_rng(0))
        vectors = lists.vectors(read)
        for strategy in ("random", "auto"):
            found = [curve(lists, vectors, strategy, seed) for seed in range(arguments.seeds)]
            print(name, strategy, _shown(found))
        if lists.kind == "candidate":
            joint = JointEncoder(EncoderSpec(("text",), BUNDLED, "", SIZE * TOKENS))
            both = joint.encode(lists.as_one(texts))
            found = [as_one_text(lists, both, seed) for seed in range(arguments.seeds)]
            print(name, "as one text, random", _shown(found))


def _shown(found: list[list[float]]) -> str:
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    return " ".join(f"{one:.3f}±{by:.3f}" for one, by in zip(mean, error, strict=True))


if __name__ == "__main__":
    main()
