"""Labelled pieces of made sounds: what the order gains over random sounds, and what it all costs.

    python -m tests.benchmarks.segments [--encoder FOLDER]

SOUNDS made sounds of four to eight seconds, in which tones, noises and, rarely, chirps are marked.
For SEEDS draws, sounds are labelled in the order of the model, BATCH a round, and at random. F1: of
pieces of which the label is right and the intersection over union .5 or more, on TESTED other
sounds. Beside them F1 with single parts of the method left out. Prints a JSON line for each number
of labels, with standard errors of the means.

Without `--encoder` the network is tests.model.hearing.log_mel_network: the figures compare orders
and parts, and say nothing of how well a trained network hears.
"""

import json
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.encoders.steps import StepEncoder
from model.heads.head import Head
from model.snapshot import Policy
from model.spans.learner import SpanSnapshot, predicted_spans, span_round
from model.spans.pieces import OF_SOUNDS, Rules, as_they_are
from model.spans.tags import Span, Tokens, decode, max_token_margin, mean_token_margin
from model.types import Ints
from tests.model.hearing import EVENTS, log_mel_network, made_sound

SOUNDS, TESTED, SEEDS, BATCH = 500, 200, 6, 10
COUNTS = (20, 50, 100)
WITHOUT: dict[str, Rules] = {
    "all": OF_SOUNDS,
    "without changes": replace(OF_SOUNDS, read=as_they_are),
    "without smoothing": replace(OF_SOUNDS, decode=decode),
    "without both": replace(OF_SOUNDS, read=as_they_are, decode=decode),
}
ORDERS: dict[str, tuple[str, Rules]] = {
    "random": ("random", OF_SOUNDS),
    "margin": ("margin", OF_SOUNDS),
    "margin, by the maximum": ("margin", replace(OF_SOUNDS, priority=max_token_margin)),
    "margin, of tags": ("margin", replace(OF_SOUNDS, priority=mean_token_margin)),
    "cluster_margin": ("cluster_margin", OF_SOUNDS),
}


@dataclass(frozen=True)
class Pool:
    """Sounds, and what people would mark in them."""

    tokens: Tokens
    pieces: Sequence[Sequence[Span]]

    def snapshot(self, rows: Ints, rules: Rules) -> SpanSnapshot:
        """The pool without the sounds to test with, these rows labelled."""
        size = len(self.pieces) - TESTED
        return SpanSnapshot(
            ids=np.arange(size),
            take=self.tokens.take,
            open=~np.isin(np.arange(size), rows),
            answered=rows,
            spans=[self.pieces[row] for row in rows.tolist()],
            labels=EVENTS,
            rules=rules,
        )

    def f1(self, head: Head, rules: Rules) -> float:
        rows = np.arange(len(self.pieces) - TESTED, len(self.pieces))
        said = predicted_spans(head, self.tokens.take(rows), EVENTS, rules)
        hits = both = 0
        for row, spans in zip(rows.tolist(), said, strict=True):
            mine = [span for span, _ in spans]
            hits += len(rules.same(mine, self.pieces[row]))
            both += len(mine) + len(self.pieces[row])
        return 2 * hits / max(1, both)

    def fitted(self, rows: Ints, rules: Rules) -> Head:
        head = span_round(self.snapshot(rows, rules), Policy("random", 1, 0.0, 0)).head
        assert head is not None
        return head

    def labelled(self, strategy: str, rules: Rules, seed: int) -> Ints:
        """The rows that are labelled in this order, max(COUNTS) of them."""
        size = len(self.pieces) - TESTED
        rows: Ints = np.random.default_rng(seed).permutation(size)
        if strategy == "random":
            return rows[: max(COUNTS)]
        rows = rows[:BATCH]
        while len(rows) < max(COUNTS):
            policy = Policy(strategy, BATCH, 0.0, seed)
            chosen = span_round(self.snapshot(rows, rules), policy).rows
            rows = np.concatenate([rows, chosen])
        return rows


def figures(rows: Sequence[Sequence[float]], names: Sequence[str]) -> dict[str, Any]:
    """Means and their standard errors by name; rows: of SEEDS draws."""
    means = np.mean(rows, axis=0).round(3).tolist()
    errors = (np.std(rows, axis=0, ddof=1) / np.sqrt(len(rows))).round(3).tolist()
    return dict(zip(names, zip(means, errors, strict=True), strict=True))


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--encoder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        encoder = StepEncoder(arguments.encoder or str(log_mel_network(Path(name))))
    rng = np.random.default_rng(0)
    made = [made_sound(rng, encoder.rate) for _ in range(SOUNDS)]
    began = time.process_time()
    states = [encoder.read(one.samples) for one in made]
    seconds = time.process_time() - began
    steps = sum(map(len, states))
    heard = sum(len(one.samples) for one in made) / encoder.rate
    cost = {
        "steps_per_cpu_second": round(steps / seconds),
        "sound_seconds_per_cpu_second": round(heard / seconds, 1),
        "bytes_a_minute": round(60 * (2 * states[0].nbytes / len(states[0]) + 8) * steps / heard),
    }
    print(json.dumps(cost), flush=True)
    pool = Pool(encoder.encode(states), [one.pieces for one in made])
    orders = {
        name: [pool.labelled(strategy, rules, seed) for seed in range(SEEDS)]
        for name, (strategy, rules) in ORDERS.items()
    }
    for count in COUNTS:
        by_order = [
            [
                pool.f1(pool.fitted(rows[seed][:count], OF_SOUNDS), OF_SOUNDS)
                for rows in orders.values()
            ]
            for seed in range(SEEDS)
        ]
        of_parts = [
            [pool.f1(pool.fitted(rows[:count], rules), rules) for rules in WITHOUT.values()]
            for rows in orders["random"]
        ]
        line = {"order": figures(by_order, list(orders)), "parts": figures(of_parts, list(WITHOUT))}
        print(json.dumps({"labels": count, **line}), flush=True)


if __name__ == "__main__":
    main()
