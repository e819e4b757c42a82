"""Spans beside a question about the whole text: what one order for both costs each of them.

    python -m tests.benchmarks.beside [--encoder NAME]

The demo's news articles, cut short: amounts and names of people are marked by a pattern, and their
topic is asked. For SEEDS draws, BATCH texts a round are labelled at random, in the order that the
spans alone would have, in that of the question alone, and in the order of both. Beside them the
topic is learnt as a question alone is, from the text encoder's own vectors, in its own order.
F1 of spans found exactly, and the share of right topics, on TESTED other texts. Prints a JSON line
for each order and number of labels, with standard errors of the means.
"""

import json
import re
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.dev.demo import articles
from model.encoders.text import BUNDLED, TextEncoder
from model.encoders.tokens import TokenEncoder
from model.learner import fast_round
from model.snapshot import Policy, Snapshot
from model.spans.learner import SpanSnapshot, predicted_in, span_round
from model.spans.tags import Span, Tokens
from model.spans.whole import whole_vectors
from model.types import Floats, Ints

SEEDS, POOL, TESTED, BATCH, CHARACTERS = 3, 400, 300, 10, 500
COUNTS = (20, 50, 100)
PATTERNS = {"amount": r"[£$]?\d[\d.,]*(?:bn|m|%)?", "name": r"\b[A-Z][a-z]+ [A-Z][a-z]+\b"}
LABELS = tuple(PATTERNS)


@dataclass(frozen=True)
class Pool:
    """POOL texts to label, then TESTED others. topics (n,): numbers; vectors (n, d): of the text
    encoder, as questions alone have them."""

    tokens: Tokens
    vectors: Floats
    spans: Sequence[Sequence[Span]]
    topics: Ints

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"topic {number}" for number in range(int(self.topics.max()) + 1))

    def question(self, vectors: Floats, rows: Ints) -> Snapshot:
        """What is known of the topics when these rows are labelled."""
        ids = np.arange(POOL)
        targets = np.eye(len(self.names), dtype=np.float32)[self.topics[rows]]
        is_open = ~np.isin(ids, rows)
        return Snapshot(ids, vectors[:POOL], is_open, rows, targets, self.names, "single")

    def marked(self, rows: Ints) -> SpanSnapshot:
        """The same of the spans alone."""
        ids = np.arange(POOL)
        spans = [self.spans[row] for row in rows.tolist()]
        return SpanSnapshot(ids, self.tokens.take, ~np.isin(ids, rows), rows, spans, LABELS)

    def both(self, rows: Ints) -> SpanSnapshot:
        return replace(self.marked(rows), whole=lambda vectors: self.question(vectors, rows))

    def scores(self, rows: Ints) -> tuple[float, float]:
        """F1 of spans and the share of right topics with these rows labelled."""
        snapshot = self.both(rows)
        head = span_round(snapshot, _policy("margin", 0)).head
        assert head is not None and head.whole is not None
        tested = np.arange(POOL, POOL + TESTED)
        found = predicted_in(head, snapshot, tested)
        said = [{span for span, _ in spans} for spans in found]
        truth = [set(self.spans[row]) for row in tested.tolist()]
        hits = sum(len(mine & theirs) for mine, theirs in zip(said, truth, strict=True))
        f1 = 2 * hits / max(1, sum(map(len, said)) + sum(map(len, truth)))
        topics = head.whole.probs(whole_vectors(self.tokens.take(tested)))
        return f1, self._right(topics, head.whole.labels)

    def alone(self, rows: Ints) -> float:
        """The share of right topics of a head on the text encoder's own vectors."""
        head = fast_round(self.question(self.vectors, rows), _policy("margin", 0)).head
        assert head is not None
        return self._right(head.probs(self.vectors[POOL:]), head.labels)

    def _right(self, probs: Floats, labels: Sequence[str]) -> float:
        said = np.array([self.names.index(label) for label in labels])[probs.argmax(axis=1)]
        return float((said == self.topics[POOL:]).mean())


Order = Callable[[Pool, Ints, Policy], Ints]
ORDERS: dict[str, Order] = {
    "random": lambda pool, rows, policy: (
        span_round(pool.marked(rows), replace(policy, strategy="random")).rows
    ),
    "of the spans": lambda pool, rows, policy: span_round(pool.marked(rows), policy).rows,
    "of the question": lambda pool, rows, policy: (
        fast_round(pool.question(pool.vectors, rows), policy).rows
    ),
    "of both": lambda pool, rows, policy: span_round(pool.both(rows), policy).rows,
}


def _policy(strategy: str, seed: int) -> Policy:
    return Policy(strategy, BATCH, 0.0, seed)


def read(name: str, seed: int) -> Pool:
    """Other articles for each seed."""
    found = articles()[seed * (POOL + TESTED) : (seed + 1) * (POOL + TESTED)]
    texts = [text[:CHARACTERS] for text, _ in found]
    spans = [
        [
            Span(one.start(), one.end(), label)
            for label, pattern in PATTERNS.items()
            for one in re.finditer(pattern, text)
        ]
        for text in texts
    ]
    _, topics = np.unique([topic for _, topic in found], return_inverse=True)
    tokens = TokenEncoder(name, 128, windows=2).encode(texts)
    return Pool(tokens, TextEncoder(name, 128, windows=2).encode(texts), spans, topics)


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--encoder", default=BUNDLED)
    name = parser.parse_args().encoder
    found: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for seed in range(SEEDS):
        pool = read(name, seed)
        for order, ask in ORDERS.items():
            rows = np.zeros(0, np.int64)
            while len(rows) < max(COUNTS):
                rows = np.sort(np.concatenate([rows, ask(pool, rows, _policy("variance", seed))]))
                if len(rows) in COUNTS:
                    measured = (*pool.scores(rows), pool.alone(rows))
                    found.setdefault((order, len(rows)), []).append(measured)
    for (order, count), scores in found.items():
        means = np.mean(scores, axis=0).round(3).tolist()
        errors = (np.std(scores, axis=0, ddof=1) / len(scores) ** 0.5).round(3).tolist()
        named = dict(
            zip(("f1", "topics", "topics_alone"), zip(means, errors, strict=True), strict=True)
        )
        print(json.dumps({"order": order, "labels": count, "draws": len(scores), **named}))


if __name__ == "__main__":
    main()
