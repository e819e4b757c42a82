"""How long does a deep round take, part by part, and how near is encoding to the bare network?

    python -m tests.benchmarks.deep_round TRAIN [--labels 125] [--encoder NAME]

TRAIN is a labelled .jsonl.gz file (see model.corpus). Trains on --labels random examples, a tenth
of them held out, and by itself on the surest of the others, encodes the whole file again, ranks it,
and prints one line of JSON, in seconds and in processor seconds (cpu). The bare rate is the best of
the network alone over batches of several sizes, texts sorted by length, in 16 bits where that is
faster; tokenizing counts on both sides. For small-text's time of the same round see
tests/benchmarks/small_text_round.py. Seconds are those of a quiet machine alone.
"""

import json
import time
from argparse import ArgumentParser
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch

from model.corpus import Corpus, read
from model.encoders.finetune import Examples
from model.encoders.selftraining import POOL_SAMPLE, Unlabelled, deep_round
from model.encoders.text import BUNDLED, TextEncoder, batches_of_similar_length
from model.heads.names import readable
from model.learner import fast_round, resolve_strategy
from model.snapshot import Policy, Snapshot

BATCHES_OF_TOKENS = (512, 1024, 2048, 4096, 8192)


def bare_rate(encoder: TextEncoder, texts: list[str]) -> float:
    """Texts a second of the network alone, at its best batch size."""
    network = deepcopy(encoder.network)
    if encoder.low_precision:
        network = network.to(torch.bfloat16)
    rates = []
    for tokens in BATCHES_OF_TOKENS:
        began = time.perf_counter()
        read = encoder.tokenizer(texts, truncation=True, max_length=encoder.max_tokens)
        lengths = [len(ids) for ids in read["input_ids"]]
        with torch.inference_mode():
            for rows in batches_of_similar_length(lengths, tokens):
                batch = {name: [values[row] for row in rows] for name, values in read.items()}
                network(**encoder.tokenizer.pad(batch, return_tensors="pt").to(encoder.device))
        rates.append(len(texts) / (time.perf_counter() - began))
    return max(rates)


def ranking_seconds(pool: Corpus, vectors: np.ndarray, answered: np.ndarray) -> float:
    is_open = np.ones(len(pool), dtype=np.bool_)
    is_open[answered] = False
    snapshot = Snapshot(
        np.arange(1, len(pool) + 1),
        vectors,
        is_open,
        answered,
        pool.targets[answered],
        pool.labels,
        pool.kind,
    )
    began = time.perf_counter()
    fast_round(snapshot, Policy(resolve_strategy("auto"), 200, 0.1, 0))
    return time.perf_counter() - began


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("--labels", type=int, default=125)
    parser.add_argument("--encoder", default=BUNDLED)
    arguments = parser.parse_args()
    pool = read(arguments.train).sample(None, 0)
    held_out = arguments.labels // 10
    parts = pool.take(np.arange(held_out)), pool.take(np.arange(held_out, arguments.labels))
    validation, training = (Examples(part.texts, part.targets) for part in parts)
    others = pool.take(np.arange(arguments.labels, len(pool))[:POOL_SAMPLE]).texts
    unlabelled = Unlabelled(others, [readable(label) for label in pool.labels])
    encoder = TextEncoder(arguments.encoder, 128)
    began, cpu = time.perf_counter(), time.process_time()
    report = deep_round(encoder, training, validation, unlabelled, pool.kind, seed=0)
    tuned, cpu_tuned = time.perf_counter(), time.process_time()
    vectors = encoder.encode(pool.texts).astype(np.float16)
    encoded = time.perf_counter()
    cpu_encoded = time.process_time()
    ranking = ranking_seconds(pool, vectors, np.arange(arguments.labels))
    cpu_ranked = time.process_time()
    rate = len(pool) / (encoded - tuned)
    bare = bare_rate(encoder, list(pool.texts))
    found = {
        "texts": len(pool),
        "threads": torch.get_num_threads(),
        "steps": report.steps,
        "self_trained": report.self_trained,
        "train_s": round(tuned - began, 2),
        "encode_s": round(encoded - tuned, 2),
        "rank_s": round(ranking, 2),
        "total_s": round(encoded - began + ranking, 2),
        "train_cpu_s": round(cpu_tuned - cpu, 2),
        "encode_cpu_s": round(cpu_encoded - cpu_tuned, 2),
        "total_cpu_s": round(cpu_ranked - cpu, 2),
        "texts_per_s": round(rate),
        "bare_texts_per_s": round(bare),
        "share_of_bare": round(rate / bare, 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
