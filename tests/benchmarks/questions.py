"""Spans that depend on a question: what reading the question with the passage gains.

    python -m tests.benchmarks.questions [--encoder NAME] [--deep LABELS]

Made passages say of two people where each comes from, what their work was, and when they were born;
each comes with a question about one of these six pieces, which is to be marked. For SEEDS draws a
head learns from the tokens of the passage alone, and from those that were read after the question.
F1: of pieces found exactly, on TESTED other passages. With --deep, the same after a deep round with
so many labels. Prints a JSON line for each, with standard errors of the means.
"""

import json
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

import numpy as np

from model.encoders.finetune import Examples, finetune
from model.encoders.joint import Example, JointEncoder
from model.encoders.text import BUNDLED
from model.snapshot import Policy
from model.spans.learner import SpanSnapshot, predicted_in, span_round
from model.spans.tags import Span, tags_of
from model.types import EncoderSpec, Layout

SEEDS, TESTED = 3, 300
COUNTS = (50, 100, 200, 400)
LABEL = "answer"
LAYOUTS: dict[str, Layout] = {"passage": ("tokens",), "with question": ("tokens", "beside")}
NAMES = ("Alice", "Bob", "Carol", "David", "Emma", "Frank", "Grace", "Henry", "Irene", "Jack")
ANSWERS = {
    "Where does {} come from?": ["Paris", "London", "Rome", "Berlin", "Madrid", "Vienna", "Oslo"],
    "What was the work of {}?": ["teacher", "doctor", "baker", "lawyer", "painter", "farmer"],
    "When was {} born?": [str(year) for year in range(1950, 2010)],
}
FORMS = (
    "{name} was born in {2} in {0} and worked as a {1}.",
    "{name}, a {1} from {0}, was born in {2}.",
    "In {0} lived {name}, born in {2}, who was a {1}.",
)

Made = tuple[str, str, Span]
"""A passage, a question, and the span that answers it."""


def made(rng: np.random.Generator) -> Made:
    """One passage about two people."""
    people = rng.choice(NAMES, 2, replace=False).tolist()
    facts = [rng.choice(words, 2, replace=False).tolist() for words in ANSWERS.values()]
    sentences = [
        str(rng.choice(FORMS)).format(*(fact[who] for fact in facts), name=name)
        for who, name in enumerate(people)
    ]
    who, asked = int(rng.integers(2)), int(rng.integers(3))
    answer = facts[asked][who]
    start = len(sentences[0]) + 1 if who else 0
    start += sentences[who].index(answer)
    question = list(ANSWERS)[asked].format(people[who])
    return " ".join(sentences), question, Span(start, start + len(answer), LABEL)


def f1(encoder: JointEncoder, examples: Sequence[Example], truth: Sequence[Span], n: int) -> float:
    """With the first `n` passages labelled, on the last TESTED."""
    tokens: Any = encoder.encode(examples)
    ids = np.arange(len(examples))
    answered = [[span] for span in truth[:n]]
    snapshot = SpanSnapshot(ids, tokens.take, ids >= n, ids[:n], answered, (LABEL,))
    head = span_round(snapshot, Policy("margin", 10, 0.0, 0)).head
    assert head is not None
    found = predicted_in(head, snapshot, ids[-TESTED:])
    hits = sum(
        one in {span for span, _ in spans}
        for one, spans in zip(truth[-TESTED:], found, strict=True)
    )
    return 2 * hits / (sum(map(len, found)) + TESTED)


def tuned(encoder: JointEncoder, examples: Sequence[Example], truth: Sequence[Span]) -> float:
    """Tune the encoder on these; the seconds of a processor that it takes."""
    began = time.process_time()
    tags = [
        tags_of([span], places, (LABEL,))
        for span, places in zip(truth, encoder.token_places(examples), strict=True)
    ]
    targets = np.eye(3, dtype=np.float32)[np.concatenate(tags)]
    bounds = np.cumsum([0, *map(len, tags)])
    learnt = Examples(examples, targets, bounds=bounds)
    nothing = Examples([], targets[:0], bounds=np.zeros(1, np.int64))
    finetune(encoder, learnt, nothing, "spans", seed=0)
    return time.process_time() - began


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--encoder", default=BUNDLED)
    parser.add_argument("--deep", type=int, default=0)
    asked = parser.parse_args()
    counts = (asked.deep,) if asked.deep else COUNTS
    for name, layout in LAYOUTS.items():
        found: dict[int, list[float]] = {count: [] for count in counts}
        seconds = []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            data = [made(rng) for _ in range(max(counts) + TESTED)]
            examples: list[Example] = [one[: len(layout)] for one in data]  # type: ignore[misc]
            truth = [span for _, _, span in data]
            encoder = JointEncoder(EncoderSpec(layout, asked.encoder, "", 128))
            if asked.deep:
                seconds.append(tuned(encoder, examples[: asked.deep], truth[: asked.deep]))
            for count in counts:
                found[count].append(f1(encoder, examples, truth, count))
        for count, scores in found.items():
            line = {
                "read": name,
                "labels": count,
                "deep": bool(asked.deep),
                "f1": round(float(np.mean(scores)), 3),
                "se": round(float(np.std(scores, ddof=1) / len(scores) ** 0.5), 3),
            }
            line |= {"tuning_s": round(float(np.mean(seconds)))} if seconds else {}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
