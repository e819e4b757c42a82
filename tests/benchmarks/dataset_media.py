"""Pictures or clips that stand outside of Label Studio, in a dataset of a real project on sqlite.

    python -m tests.benchmarks.dataset_media pictures TRAIN.tar --label-studio BIN \
        --image-encoder FOLDER [--pool N] [--labels N]

Made as for tests.benchmarks.media. Deep rounds are off. Prints JSON lines: how many items a second
are decoded and read by the network, each alone in this process; seconds from the start of `pool
add` to the first order and until all are encoded; seconds from a submit to the order that knows of
it; macro-F1 of the answers that `finish` writes, on the items that were never imported, and that of
as many labels of items drawn at random (20 draws) on the same vectors.
"""

import json
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np

from backend.dataset.record import rows_of, vectors_of
from backend.dev import local
from backend.interface.parse import parse
from backend.mirror.targets import targets_of
from backend.studio.api import Studio
from backend.types import Json
from model.dataset.parts import RowParts, VectorParts
from model.encoders.joint import JointEncoder
from model.measuring.metrics import macro_f1
from model.media.clips import read_clip
from model.media.pictures import read_picture
from model.storage.store import Store
from model.types import EncoderSpec, Floats
from tests.benchmarks.dataset_live import share_of, tell
from tests.benchmarks.media import DRAWS_HEAD, clips, head_of, interface, served, unpacked
from tests.studio.bench import Bench, until
from tests.studio.test_dataset import first_open, items_of, pool, run

TIMED = 64
"""Items that are decoded and encoded here, alone."""

Item = tuple[Path, list[str]]


def made(arguments: Namespace, folder: Path) -> list[Item]:
    """Files and their labels."""
    count = arguments.pool if arguments.what == "pictures" else 4000
    pictures = unpacked(arguments.train, folder, count, 0)
    if arguments.what == "pictures":
        return [(path, [label]) for path, label in pictures]
    return clips(pictures, folder, arguments.pool, 0)


def alone(arguments: Namespace, items: list[Item]) -> dict[str, float]:
    """Items a second, on as many threads as this process has."""
    files, name = [path for path, _ in items[:TIMED]], arguments.image_encoder
    decoding, network = (_pictures if arguments.what == "pictures" else _clips)(files, name)
    return {"decoded_a_second": TIMED / decoding, "network_a_second": TIMED / network}


def _pictures(files: list[Path], name: str) -> tuple[float, float]:
    """Seconds of decoding, and of the network."""
    encoder, began = JointEncoder(EncoderSpec(("image",), "", name, 32)), time.monotonic()
    decoded = [(read_picture(one),) for one in files]
    read = time.monotonic()
    encoder.encode(decoded)
    return read - began, time.monotonic() - read


def _clips(files: list[Path], name: str) -> tuple[float, float]:
    encoder, began = JointEncoder(EncoderSpec(("video",), "", name, 32)), time.monotonic()
    decoded = [read_clip(one) for one in files]
    read = time.monotonic()
    for one in decoded:
        encoder.frozen["video"].read(one)
    return read - began, time.monotonic() - read


def play(arguments: Namespace, folder: Path) -> None:
    media = folder / "media"
    media.mkdir()
    items = made(arguments, media)
    tell(**alone(arguments, items))
    host = served(media)
    written(folder / "items.jsonl", items, media, host)
    studio_server = local.label_studio(folder, local.free_port(), arguments.label_studio)
    backend = local.backend(
        folder,
        local.free_port(),
        studio_server.url,
        image_encoder=arguments.image_encoder,
        media_hosts=host,
        deep_rounds="no",
        open_tasks=arguments.open_tasks,
    )
    with studio_server, backend:
        studio_server.wait_until_up()
        backend.wait_until_up()
        bench = Bench(Studio(studio_server.url, local.TOKEN), backend, folder / "models", {})
        labels = sorted({label for _, given in items for label in given})
        Play(bench, interface(arguments.what, labels), folder).to_the_end(arguments.labels)


def written(path: Path, items: list[Item], media: Path, host: str) -> None:
    rows = [
        {"id": f"m{number}", "media": f"http://{host}/{file.relative_to(media)}", "labels": given}
        for number, (file, given) in enumerate(items)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


class Play:
    """One project."""

    def __init__(self, bench: Bench, xml: str, folder: Path) -> None:
        self.bench, self.folder, self.config = bench, folder, parse(xml)
        self.project = bench.empty_project(xml)
        bench.connect(self.project)
        until("a mirror", lambda: bench.mirror_path(self.project).exists())

    def to_the_end(self, labels: int) -> None:
        began = time.monotonic()
        source = str(self.folder / "items.jsonl")
        status, said = pool(self.bench, "add", source, "--project", str(self.project))
        assert status == 0, said
        until("an order", lambda: self.bench.ranks(self.project), 900)
        ordered = time.monotonic()
        until("all encoded", lambda: share_of(self.bench, self.project) == 1.0, 3600)
        tell(first_order_s=ordered - began, all_encoded_s=time.monotonic() - began)
        tell(**self.labelled(labels))
        tell(**self.scores(labels))

    def labelled(self, labels: int) -> dict[str, float]:
        bench, project, refreshes, out_of_order = self.bench, self.project, [], 0
        given: set[int] = set()
        for _ in range(labels):
            until("the switch", lambda: bench.is_switched(project))
            asked_first = first_open(bench, project, given)
            task = bench.studio.of(project).next_task()
            assert task is not None
            asked_first |= first_open(bench, project, given)
            out_of_order += task["id"] not in asked_first
            bench.submit(task, task["data"]["labels"])
            submitted = time.monotonic()
            bench.until_learnt(project, task["id"])
            refreshes.append(time.monotonic() - submitted)
            given.add(task["id"])
        return {
            "labels": labels,
            "tasks": len(items_of(bench, project)),
            "refresh_p50_s": float(np.median(refreshes)),
            "refresh_max_s": max(refreshes),
            "out_of_order": out_of_order,
        }

    def scores(self, labels: int) -> dict[str, float]:
        """Of what is no task."""
        out = self.folder / "answers.jsonl"
        status, said = run(self.bench, "finish", "--project", str(self.project), "--out", str(out))
        assert status == 0, said
        answers = {row["id"]: row["labels"] for row in map(json.loads, out.open())}
        items, tasks = self.items(), set(items_of(self.bench, self.project).values())
        rest = [item for item in items if item["id"] in answers and item["id"] not in tasks]
        truth = self.targets([item["labels"] for item in rest])
        ours = self.targets([answers[item["id"]] for item in rest])
        chance = [self.of_random(items, labels, seed) for seed in range(DRAWS_HEAD)]
        return {
            "items": len(rest),
            "f1": macro_f1(ours > 0, truth > 0),
            "f1_random": float(np.mean(chance)),
        }

    def items(self) -> list[Json]:
        rows = RowParts(rows_of(self.bench.models / str(self.project)))
        return [{**one.data, "id": one.id} for part in rows.numbers() for one in rows.items(part)]

    def targets(self, given: list[list[str]]) -> Floats:
        return targets_of([tuple(one) for one in given], self.config.labels)

    def of_random(self, items: list[Json], labels: int, seed: int) -> float:
        store = Store(self.bench.models / str(self.project))
        parts = VectorParts(vectors_of(store.folder, 0), store.encoders()[0].dimension)
        vectors = np.concatenate([parts.read(part) for part in parts.numbers()])
        targets = self.targets([item["labels"] for item in items])
        drawn = np.random.default_rng(seed).permutation(len(items))
        known, rest = drawn[:labels], drawn[labels:]
        head = head_of(vectors[known], targets[known], vectors[rest], self.config, seed)
        return macro_f1(head.answers(head.probs(vectors[rest])) > 0, targets[rest] > 0)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("pictures", "clips"))
    parser.add_argument("train", type=Path)
    parser.add_argument("--label-studio", required=True, help="the executable")
    parser.add_argument("--image-encoder", required=True)
    parser.add_argument("--pool", type=int, default=3000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--open-tasks", type=int, default=100)
    with tempfile.TemporaryDirectory() as name:
        play(parser.parse_args(), Path(name))


if __name__ == "__main__":
    main()
