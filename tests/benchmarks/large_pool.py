"""How long does one label take from the mirror to a new order, in a project of a million texts?

    python -m tests.benchmarks.large_pool FOLDER [--tasks 1000000] [--rounds 5]

All that the server does but for what Label Studio does: the mirror takes one more label, says what
is labelled and what is open, the vectors are looked up, the head is refitted, the next 50 tasks are
chosen and the version is written. Vectors of ten clouds, one a label; 300 labels at the beginning.
The folder keeps the mirror and the vectors (2 GB a million) for the next time.
"""

import resource
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from backend.interface.objects.text import Text
from backend.interface.questions import LabelConfig, Question, Source
from backend.mirror.pool import Pool
from backend.project.round import FastRounds
from backend.project.unit import Setup
from backend.settings import Settings
from backend.types import Json
from model.storage.store import EncoderMeta, Store, write_encoder_meta

DIMENSION, LABELS, LABELLED, PART = 384, 10, 300, 50_000
NAMES = tuple(f"label {number}" for number in range(LABELS))
CONFIG = LabelConfig((Question("c", "t", "single", NAMES),), (Source(Text(), "$text"),))


def task(number: int, *, labelled: bool) -> Json:
    region = {"from_name": "c", "to_name": "t", "type": "choices"}
    value = {"choices": [NAMES[number % LABELS]]}
    one = {"id": number, "result": [{**region, "value": value}], "was_cancelled": False}
    text = f"Text number {number}, with as many words in it as a usual sentence of a review has"
    return {"id": number, "data": {"text": text}, "annotations": [one] if labelled else []}


def fill(pool: Pool, store: Store, tasks: int) -> None:
    """The mirror of a project and the vectors of its texts."""
    pool.update((task(i, labelled=i <= LABELLED) for i in range(1, tasks + 1)), CONFIG)
    with store.new_encoder(0) as folder:
        write_encoder_meta(folder, EncoderMeta("none", "none", 128, DIMENSION))
    rng = np.random.default_rng(0)
    centres = 1.5 * rng.standard_normal((LABELS, DIMENSION), dtype=np.float32)
    ids, keys = pool.keys(CONFIG, 0)
    for start in range(0, tasks, PART):
        part = slice(start, start + PART)
        noise = rng.standard_normal((len(ids[part]), DIMENSION), dtype=np.float32)
        vectors = noise + centres[ids[part] % LABELS]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        store.vectors(0).append(keys[part], vectors)
    store.mark_ready(0)


def played(pool: Pool, store: Store, number: int) -> Iterator[float]:
    """Seconds from each further label to its order."""
    settings, previous = Settings(), None
    rounds = FastRounds(store, CONFIG, settings)
    for _ in range(number):
        began = time.perf_counter()
        asked = LABELLED + 1 if previous is None else int(previous.shortlist[0])
        pool.update([task(asked, labelled=True)], CONFIG)
        _, keys = pool.keys(CONFIG, settings.seed)
        covered = int((store.encoded(0).rows(keys) >= 0).sum())
        labelling = pool.labelling(CONFIG, settings.empty_is_none)
        setup = Setup(0, settings.shortlist, set(), lambda ids: pool.parts(ids, CONFIG), previous)
        outcome = rounds.play(labelling, setup)
        assert covered == len(keys)
        assert outcome is not None
        previous = outcome.version
        yield time.perf_counter() - began


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    folder = asked.folder / str(asked.tasks)
    store = Store(folder)
    pool = Pool(folder / "pool.sqlite")
    if not store.encoders():
        fill(pool, store, asked.tasks)
    for number, seconds in enumerate(played(pool, store, asked.rounds), start=1):
        print(f"{asked.tasks:,} tasks, round {number}: {seconds:.2f} s", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"memory at its peak, with the files in it: {peak:.2f} GB")


if __name__ == "__main__":
    main()
