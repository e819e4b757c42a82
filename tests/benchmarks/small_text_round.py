"""What a round of small-text costs and what it reaches: its own loop, as its guide shows it.

    python small_text_round.py TRAIN.jsonl.gz --test TEST.jsonl.gz --encoder FOLDER --out FILE.json

small-text needs an older transformers than we do, so this runs in an environment of its own, with
small-text==2.0.0.dev3 and transformers==4.57.6, and imports nothing of ours. TRAIN and TEST are
JSON lines of {"text", "label"}. FILE gets the versions, the settings and, for each round, its
seconds, its test accuracy and the rows that were labelled for it.

Schröder et al. 2023, "Small-Text: Active Learning for Text Classification in Python".
"""

import gzip
import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from small_text import (
    BreakingTies,
    PoolBasedActiveLearner,
    TransformerBasedClassificationFactory,
    TransformerModelArguments,
    TransformersDataset,
)
from transformers import AutoTokenizer

EPOCHS = 15
LEARNING_RATE = 1e-4
MAX_TOKENS = 128


@dataclass(frozen=True)
class Round:
    """One round. `rows` (of the pool, from 0) are those that were labelled for it; `train_s` loads
    the encoder and trains it, `query_s` predicts the whole pool and ranks it; `cpu_s`: the
    processor's seconds of both."""

    labels: int
    train_s: float
    query_s: float
    total_s: float
    cpu_s: float
    accuracy: float
    rows: list[int]


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    np.random.seed(arguments.seed)  # small-text draws from the global state
    answers = _read(arguments.train)
    names = sorted({label for _, label in answers})
    pool, tokenize_s = _timed(_dataset, answers, names, arguments)
    test = _dataset(_read(arguments.test), names, arguments)
    rounds = []
    for played in play(_learner(pool, arguments.encoder, len(names)), pool, test, arguments):
        print(json.dumps({**asdict(played), "rows": len(played.rows)}), flush=True)
        rounds.append(asdict(played))
    measured = {"pool": len(pool), "tokenize_s": tokenize_s, "rounds": rounds}
    setting = {**_machine(), **_settings(arguments)}
    arguments.out.write_text(json.dumps({**setting, **measured}, indent=1) + "\n")


def play(
    learner: PoolBasedActiveLearner,
    pool: TransformersDataset,
    test: TransformersDataset,
    plan: Namespace,
) -> Iterator[Round]:
    """Yield a round for `plan.initial` random labels, then one for every `plan.batch` more.

    The first rows are the head of numpy's `default_rng(plan.seed).permutation`, so that any other
    learner can start from the same ones.
    """
    rows = np.random.default_rng(plan.seed).permutation(len(pool))[: plan.initial]
    began = process_time()
    _, train_s = _timed(learner.initialize, rows)
    while True:
        asked, query_s = _timed(learner.query, plan.batch)
        cpu_s = process_time() - began
        labels = len(learner.indices_labeled)
        accuracy = float(np.mean(learner.classifier.predict(test) == test.y))
        yield Round(labels, train_s, query_s, train_s + query_s, cpu_s, accuracy, rows.tolist())
        if labels >= plan.labels:
            return
        rows = asked
        began = process_time()
        _, train_s = _timed(learner.update, pool.y[rows])


def _timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    start = perf_counter()
    result = work(*arguments)
    return result, perf_counter() - start


def _learner(pool: TransformersDataset, encoder: Path, classes: int) -> PoolBasedActiveLearner:
    model = TransformerModelArguments(str(encoder), show_progress_bar=False)
    settings = {"num_epochs": EPOCHS, "lr": LEARNING_RATE}
    factory = TransformerBasedClassificationFactory(model, classes, classification_kwargs=settings)
    return PoolBasedActiveLearner(factory, BreakingTies(), pool)


def _dataset(
    answers: Sequence[tuple[str, str]], names: Sequence[str], plan: Namespace
) -> TransformersDataset:
    """small-text pads every text to one width. The longest text's width is the fastest that loses
    no token, and pads are masked, so it predicts the same as `MAX_TOKENS` does."""
    tokenizer = AutoTokenizer.from_pretrained(plan.encoder)
    texts = [text for text, _ in answers]
    tokens = tokenizer(texts, truncation=True, max_length=MAX_TOKENS).input_ids
    return TransformersDataset.from_arrays(
        texts,
        np.array([names.index(label) for _, label in answers]),
        tokenizer,
        target_labels=np.arange(len(names)),
        max_length=max(map(len, tokens)) if plan.padding == "longest" else MAX_TOKENS,
    )


def _read(path: Path) -> list[tuple[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [(row["text"], row["label"]) for row in rows]


def _machine() -> dict[str, object]:
    packages = ("small-text", "transformers", "torch")
    return {
        "versions": {name: version(name) for name in packages},
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _settings(arguments: Namespace) -> dict[str, object]:
    fixed = {"epochs": EPOCHS, "learning_rate": LEARNING_RATE, "max_tokens": MAX_TOKENS}
    chosen = ("initial", "batch", "labels", "seed", "padding")
    return {**fixed, **{name: getattr(arguments, name) for name in chosen}}


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("train", type=Path, help="the pool, with its labels")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True, help="a transformers folder")
    parser.add_argument("--initial", type=int, default=25, help="random labels of the first round")
    parser.add_argument("--batch", type=int, default=25, help="labels a round")
    parser.add_argument("--labels", type=int, default=125, help="labels of the last round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--padding",
        choices=("longest", "limit"),
        default="longest",
        help=f"width of every text: the longest text's tokens, or always {MAX_TOKENS}",
    )
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
