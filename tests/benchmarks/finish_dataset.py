"""`python -m backend finish` where the pool is a dataset of a million items.

    python -m tests.benchmarks.finish_dataset [--items 1000000] [--dimension 384]

Made items: short texts, and random vectors near one of five directions, one for each topic;
2,000 of them are tasks, 150 of these labelled audit items. Prints a JSON line a command: seconds,
memory of the command at its peak, the size of the file, and what it said.
"""

import json
import tempfile
import time
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path

import numpy as np

from backend.dataset.record import Record, rows_of, vectors_of, write_record
from backend.interface.parse import parse
from backend.mirror.identity import CREATED
from backend.mirror.items import META
from backend.mirror.pool import Pool
from backend.types import Json
from model.choosing.audit import draw
from model.dataset.parts import Item, RowParts, VectorParts
from model.dataset.sizes import PART_ITEMS
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from model.storage.vectors import content_key
from model.types import Floats, Ints
from tests.backend.web import Answer, Web
from tests.benchmarks.finish_live import measured
from tests.studio.bench import SINGLE, TOPICS, choices

TASKS, AUDITS, NOISE, SURENESS = 2_000, 150, 0.35, 12.0
NOTHING = np.zeros(0, np.int64)


class Made:
    """A project's folder with a dataset, all of it encoded."""

    def __init__(self, folder: Path, items: int, dimension: int) -> None:
        self.store, self._items = Store(folder / "7"), items
        self._directions = np.linalg.qr(np.random.default_rng(1).normal(size=(dimension, 5)))[0]
        with self.store.new_encoder(0) as aside:
            write_encoder_meta(aside, EncoderMeta("base", "base", 16, dimension))
        weights = (SURENESS * self._directions).astype(np.float32)
        head = Head("single", TOPICS, weights, np.zeros(5), np.zeros(dimension))
        facts = VersionFacts(created_at=1.0)
        self.store.save_version(Version("0.1", 0, head, NOTHING, NOTHING, NOTHING, facts))
        tickets = np.concatenate([self._part(part) for part in range(-(-items // PART_ITEMS))])
        record = Record("made", "id", items, -(-items // PART_ITEMS), 0, 1.0)
        write_record(self.store.folder, record)
        self._label(tickets)

    def _part(self, part: int) -> Ints:
        """Write a part. Returns the tickets."""
        numbers = range(part * PART_ITEMS, min(self._items, (part + 1) * PART_ITEMS))
        items = [self._item(number) for number in numbers]
        RowParts(rows_of(self.store.folder)).write(part, items)
        into = VectorParts(vectors_of(self.store.folder, 0), len(self._directions))
        into.write(part, self._vectors(np.arange(len(items)), part), [None] * len(items))
        return np.array([one.ticket for one in items])

    def _vectors(self, places: Ints, part: int) -> Floats:
        rng = np.random.default_rng(part + 2)
        noise = rng.standard_normal((len(places), len(self._directions)), np.float32)
        mine = self._directions.T[(part * PART_ITEMS + places) % 5]
        found: Floats = mine + NOISE * noise
        return found

    def _item(self, number: int) -> Item:
        name, topic = f"item-{number:08d}", TOPICS[number % 5]
        data = {"id": name, "story": f"story {number} says something of {topic} " * 4}
        return Item(name, content_key(name), data)

    def _label(self, tickets: Ints) -> None:
        in_turn = np.argsort(draw(tickets, 0))[:TASKS].tolist()
        tasks = [self._task(place, number) for place, number in enumerate(in_turn)]
        with closing(Pool(self.store.folder / "pool.sqlite")) as pool:
            pool.update(tasks, parse(SINGLE))
            pool.add_published("0.1", 1.0)
            pool.remember(CREATED, "2026")

    def _task(self, place: int, number: int) -> Json:
        item = self._item(number)
        result = choices([TOPICS[number % 5]])
        made = {"id": place + 1, "result": result, "was_cancelled": False, "completed_by": 1}
        annotations = [made] if place < AUDITS else []
        about = {"data": item.data, "meta": {META: item.id}}
        return {"id": place + 1, **about, "annotations": annotations}


def finish(models: Path, web: Web, out: Path | None) -> Json:
    """One command: what it took, and what it said."""
    done = measured(7, ["--dry-run"] if out is None else ["--out", str(out)], models, web.url)
    return {**done, "file_mb": 0 if out is None else out.stat().st_size // 1_000_000}


def play(folder: Path, items: int, dimension: int) -> None:
    began = time.monotonic()
    Made(folder / "models", items, dimension)
    print(json.dumps({"items": items, "made_in": round(time.monotonic() - began, 1)}), flush=True)
    told = {"id": 7, "created_at": "2026", "label_config": SINGLE, "model_version": "0.1"}
    headers = {"Content-Type": "application/json"}
    with closing(Web()) as web:
        web.answers["/api/projects/7/"] = Answer(json.dumps(told).encode(), 200, headers)
        for name in ("", "a.parquet", "a.jsonl", "a.csv"):
            out = folder / name if name else None
            print(json.dumps(finish(folder / "models", web, out)), flush=True)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        play(Path(name), arguments.items, arguments.dimension)


if __name__ == "__main__":
    main()
