"""What grows with every label, and does it stay in bounds?

    python -m tests.benchmarks.growth FOLDER [--labels 5000] [--deep 60] [--tasks 8000]

A project is labelled to the end without Label Studio: each label makes a fast round, a version, a
line of the history and a clean-up, and every so many of them another encoder comes, as after a deep
round: its weights, its log, and the vectors of all tasks by it. Nothing is trained: encoders are
numbers at random, of 64 dimensions, with a file of weights of a megabyte. Label Studio keeps the
versions of the last hundred labels. Reported ten times on the way: what is on the disk, the memory
of the process, and how long the status page's report takes, as a browser asks for it every two
seconds.
"""

import resource
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from backend.folder.damage import mended
from backend.folder.leftovers import delete_leftovers
from backend.interface.objects.text import Text
from backend.interface.questions import LabelConfig, Question, Source
from backend.mirror.pool import Pool
from backend.project.history import History
from backend.project.round import FastRounds
from backend.project.status import Served
from backend.project.unit import Setup
from backend.queue.cleanup import delete_old_files
from backend.settings import Settings
from backend.types import Json
from backend.web.pages.report import report
from model.encoders.finetune import Step
from model.storage.store import HERE, EncoderMeta, Store, Version, write_encoder_meta
from model.tracking import Tracker

DIMENSION, LABELS, STEPS, IN_STUDIO = 64, 5, 500, 100
NAMES = tuple(f"label {number}" for number in range(LABELS))
CONFIG = LabelConfig((Question("c", "t", "single", NAMES),), (Source(Text(), "$text"),))


def task(number: int, *, labelled: bool) -> Json:
    value = {"choices": [NAMES[number % LABELS]]}
    region = {"from_name": "c", "to_name": "t", "type": "choices", "value": value}
    one = {"id": number, "result": [region], "was_cancelled": False}
    data = {"text": f"Text number {number}, of the length of a usual sentence of a review"}
    return {"id": number, "data": data, "annotations": [one] if labelled else []}


class Play:
    """One project: its files, and what the loop would hold of it."""

    def __init__(self, folder: Path, tasks: int) -> None:
        folder.mkdir(parents=True)
        self.folder, self.settings = folder, Settings()
        self.store, self.pool = Store(folder), Pool(folder / "pool.sqlite")
        self.history = History(folder)
        self.published: list[str] = []
        self.previous: Version | None = None
        self.number = -1
        self._rng = np.random.default_rng(0)
        self._centres = 1.5 * self._rng.standard_normal((LABELS, DIMENSION))
        self.pool.update((task(i, labelled=False) for i in range(1, tasks + 1)), CONFIG)

    def deep_round(self, labels: int) -> None:
        """Another encoder, its log and its vectors."""
        self.number = self.store.next_encoder()
        with self.store.new_encoder(self.number) as aside:
            weights = self._rng.standard_normal((1 << 18, 1)).astype(np.float32)
            save_file({"weight": weights}, aside / "model.safetensors")
            meta = EncoderMeta(HERE, "none", 128, DIMENSION, labels=labels)
            write_encoder_meta(aside, meta)
        with closing(Tracker(self.folder / "tensorboard" / f"encoder-{self.number}")) as tracker:
            for number in range(1, STEPS + 1):
                tracker.step(labels, Step(number, STEPS, {"loss": 0.5, "accuracy": 0.5}, None))
        ids, keys = self.pool.keys(CONFIG, 0)
        noise = self._rng.standard_normal((len(ids), DIMENSION))
        vectors = noise + self._centres[ids % LABELS]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.store.vectors(self.number).append(keys, vectors)
        self.store.mark_ready(self.number)

    def label(self) -> Version:
        """The task that is asked for is labelled; a fast round and a clean-up follow."""
        asked = 1 if self.previous is None else int(self.previous.shortlist[0])
        self.pool.update([task(asked, labelled=True)], CONFIG)
        setup = Setup(
            self.number, 50, set(), lambda ids: self.pool.parts(ids, CONFIG), self.previous
        )
        rounds = FastRounds(self.store, CONFIG, self.settings)
        played = rounds.play(self.pool.labelling(CONFIG, False), setup)
        assert played is not None
        self.history.add(played)
        self.previous = played.version
        self.published = [*self.published, played.version.name][-IN_STUDIO:]
        delete_old_files(self.store, played.version, self.published, ())
        delete_leftovers(self.folder, time.time())
        return played.version

    def page_seconds(self) -> float:
        """How long the page's report takes once it was asked for."""
        assert self.previous is not None
        served = Served(self.previous, CONFIG, "", self.store)
        report(self.folder, self.settings, served)
        began = time.perf_counter()
        report(self.folder, self.settings, served)
        return time.perf_counter() - began


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def played(folder: Path, labels: int, deep: int, tasks: int) -> Iterator[str]:
    play, began = Play(folder, tasks), time.perf_counter()
    for number in range(labels):
        if number % max(1, labels // deep) == 0:
            play.deep_round(number)
        play.label()
        if (number + 1) % max(1, labels // 10) == 0:
            parts = ("encoders", "vectors", "versions", "tensorboard")
            sizes = [megabytes(play.folder / part) for part in parts]
            lines = (play.folder / "history.jsonl").stat().st_size / 1e6
            mirror = sum(path.stat().st_size for path in play.folder.glob("pool.*")) / 1e6
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            a_label = (time.perf_counter() - began) / (number + 1)
            cells = [f"{size:.1f}" for size in (*sizes, lines, mirror)]
            times = [f"{1e3 * seconds:.0f}" for seconds in (play.page_seconds(), a_label)]
            counts = [f"{number + 1:,}", str(play.number + 1)]
            yield f"| {' | '.join([*counts, *cells, f'{memory:.0f}', *times])} |"
    began = time.perf_counter()
    assert mended(Store(play.folder), time.time()) == []
    yield f"\nThe files are checked at a start in {time.perf_counter() - began:.2f} s."


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=int, default=5000)
    parser.add_argument("--deep", type=int, default=60)
    parser.add_argument("--tasks", type=int, default=8000)
    asked = parser.parse_args()
    print(
        "| labels | deep rounds | encoders, MB | vectors, MB | versions, MB | TensorBoard, MB "
        "| history, MB | mirror, MB | memory, MB | page, ms | a label, ms |\n|" + "---|" * 11
    )
    for line in played(asked.folder / "1", asked.labels, asked.deep, asked.tasks):
        print(line, flush=True)


if __name__ == "__main__":
    main()
