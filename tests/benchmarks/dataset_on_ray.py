"""Does a Ray cluster give the vectors and the ranking that this machine gives alone, also when a
node of it is killed in the middle?

    python -m tests.benchmarks.dataset_on_ray FOLDER [--items 50000] [--encoder FOLDER]

Starts a cluster of two nodes with one processor each on this machine. The dataset is made: texts of
6 to 14 words, drawn at random from 400 made words, 40 of which belong to one of ten topics each;
300 of them are labelled by their topic. It is encoded bare, by the trainer's job alone, on
the cluster, and on the cluster again while a node is killed (SIGKILL) when some parts
are done. Prints what it saw as JSON lines; the folder is emptied first. Needs `pip install
"ray[data]"`. A machine that does other work as well makes all figures larger, those of the cluster
most: Ray's workers have niceness 15.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from backend.dataset.adding import add
from backend.dataset.record import rows_of, vectors_of
from backend.dataset.shortlist import read_shortlist
from backend.interface.parse import parse
from backend.media.access import access_of
from backend.mirror.items import META
from backend.mirror.pool import Pool
from backend.project.round import FastRounds
from backend.project.unit import Setup
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer import items
from backend.trainer.embed import embed_pool
from backend.trainer.encoders import add_base_encoder, loaded
from backend.trainer.item_reading import TEXTS_AT_ONCE
from backend.trainer.messages import AddBase, Embed, EncodeItems, RankItems, Subject
from backend.types import Json
from model.dataset.engine import Cluster
from model.dataset.parts import RowParts, VectorParts
from model.dataset.sizes import PART_ITEMS, part_numbers
from model.encoders.text import BUNDLED
from model.storage.store import Store
from model.types import EncoderSpec

TOPICS, WORDS, OWN, LABELLED, PORT = 10, 400, 4, 300, 6391
NAMES = tuple(f"topic {number}" for number in range(TOPICS))
XML = (
    '<View><Text name="t" value="$text"/><Choices name="c" toName="t" required="true">'
    + "".join(f'<Choice value="{name}"/>' for name in NAMES)
    + "</Choices></View>"
)


class Quiet:
    """A report that nobody reads."""

    def advanced(self, share: float) -> None:
        pass

    def working(self) -> None:
        pass


def made(path: Path, count: int) -> None:
    """The dataset as a file."""
    rng = np.random.default_rng(0)
    words = np.array(["".join(rng.choice(list("bdgklmnoprstuaei"), 5)) for _ in range(WORDS)])
    topics = rng.integers(TOPICS, size=count)
    texts = []
    for topic in topics.tolist():
        drawn = rng.integers(WORDS, size=rng.integers(6, 15))
        is_own = rng.random(len(drawn)) < 0.3
        own = topic * OWN + rng.integers(OWN, size=len(drawn))
        texts.append(" ".join(words[np.where(is_own, own, drawn)]))
    names = [f"item {number}" for number in range(count)]
    table = pa.table({"id": names, "text": texts, "topic": [NAMES[one] for one in topics]})
    parquet.write_table(table, path)


def subject_of(folder: Path, encoder: str = "") -> Subject:
    """encoder: needed once, when the project gets its encoder."""
    access = access_of(Connection("http://127.0.0.1:9", "t"), Settings())
    return Subject(folder, XML, (), EncoderSpec(("text",), encoder, "", 128), access, seed=0)


def begun(folder: Path, dataset: Path, encoder: str) -> None:
    """A project with this dataset, labels and a version."""
    folder.mkdir()
    add(folder, str(dataset), "id", parse(XML))
    subject = subject_of(folder, encoder)
    add_base_encoder(AddBase(subject), Quiet())
    pool, store = Pool(folder / "pool.sqlite"), Store(folder)
    shown = RowParts(rows_of(folder)).items(0)[:LABELLED]
    pool.update(
        (labelled(number, one.id, one.data) for number, one in enumerate(shown)), parse(XML)
    )
    embed_pool(Embed(subject, encoder=0, label_names=True), Quiet())
    config, settings = parse(XML), Settings()
    rounds = FastRounds(store, config, settings)
    setup = Setup(0, settings.shortlist, set(), lambda ids: pool.parts(ids, config))
    rounds.play(pool.labelling(config, settings.empty_is_none), setup)


def labelled(number: int, name: str, data: Json) -> Json:
    region = {"from_name": "c", "to_name": "t", "type": "choices"}
    result = [{**region, "value": {"choices": [data["topic"]]}}]
    one = {"id": number, "result": result, "was_cancelled": False}
    return {"id": number, "data": data, "meta": {META: name}, "annotations": [one]}


def bare(folder: Path) -> float:
    """Seconds of encoding all texts, read already, in the chunks in which the job does it."""
    rows = RowParts(rows_of(folder))
    texts = [one.data["text"] for number in rows.numbers() for one in rows.items(number)]
    encoder = loaded(Store(folder).encoders()[0].spec, None)
    began = time.perf_counter()
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        encoder.encode([(text,) for text in texts[start : start + TEXTS_AT_ONCE]])
    return time.perf_counter() - began


def encoded(folder: Path, cluster: Cluster | None, kill: int | None = None) -> float:
    """Seconds of encoding the dataset. kill: a process to kill when two parts are done."""
    began, job = time.perf_counter(), EncodeItems(subject_of(folder), 0, cluster)
    while True:
        facts = items.encode_items(job, Quiet())
        if kill is not None and len(part_numbers(vectors_of(folder, 0))) >= 2:
            os.kill(kill, signal.SIGKILL)
            tell("killed a node", parts_done=len(part_numbers(vectors_of(folder, 0))))
            kill = None
        if not facts["left"]:
            return time.perf_counter() - began


def ranked(folder: Path, cluster: Cluster | None) -> float:
    """Seconds of ranking the dataset."""
    (version,) = Store(folder).version_names()
    job = RankItems(subject_of(folder), 0, version, 500, "variance", 0.1, True, False, cluster)
    began = time.perf_counter()
    facts = items.rank_items(job, Quiet())
    assert "trouble" not in facts, facts["trouble"]
    return time.perf_counter() - began


def differing(one: Path, other: Path) -> Json:
    """What differs between two projects: rows of vectors, and places of the shortlist."""
    parts = [VectorParts(vectors_of(folder, 0), 384) for folder in (one, other)]
    assert parts[0].numbers() == parts[1].numbers()
    rows = 0
    for number in parts[0].numbers():
        first, second = (one.read(number) for one in parts)
        assert first is not None and second is not None
        rows += int((first != second).any(axis=1).sum())
    lists = [read_shortlist(folder) for folder in (one, other)]
    assert lists[0] is not None and lists[1] is not None
    pairs = zip(lists[0].items, lists[1].items, strict=True)
    return {"rows_differ": rows, "places_differ": sum(a.id != b.id for a, b in pairs)}


@contextmanager
def two_nodes() -> Iterator[int]:
    """A cluster on this machine; the process of its second node, the one that may be killed."""
    ray(["start", "--head", f"--port={PORT}", f"--temp-dir={MARK}", "--include-dashboard=false"])
    try:
        known = processes("raylet")
        ray(["start", f"--address=127.0.0.1:{PORT}"])
        (second,) = processes("raylet") - known
        yield second
    finally:
        for number in processes():
            os.kill(number, signal.SIGKILL)


MARK = f"/tmp/ray-{os.getpid()}"
"""A folder that all processes of the cluster name; sockets need a short name."""

RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]


def ray(arguments: list[str]) -> None:
    one = ["--num-cpus=1", "--node-ip-address=127.0.0.1", "--disable-usage-stats"]
    subprocess.run([*RAY, *arguments, *one], capture_output=True, check=True)


def processes(program: str = "") -> set[int]:
    """The processes of the cluster, or those of them that run this program."""
    pattern = f"{program} .*{MARK}" if program else MARK
    found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, check=False)
    return set(map(int, found.stdout.split()))


def tell(what: str, **facts: object) -> None:
    print(json.dumps({"what": what, **facts}), flush=True)


def on_the_cluster(home: Path, quiet: Path, bare_seconds: float, *, killing: bool) -> None:
    folder = home / ("killed" if killing else "cluster")
    shutil.copytree(home / "begun", folder)
    with two_nodes() as second:
        cluster = Cluster(f"127.0.0.1:{PORT}", 1.0, 0.0)
        seconds = encoded(folder, cluster, second if killing else None)
        ranking = ranked(folder, cluster)
    tell(
        "on two nodes, one of them killed" if killing else "on two nodes",
        encode_seconds=round(seconds, 1),
        ratio_to_bare=round(seconds / bare_seconds, 2),
        rank_seconds=round(ranking, 1),
        **differing(quiet, folder),
    )


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--encoder", default=BUNDLED, help="a folder (default: the bundled one)")
    asked = parser.parse_args()
    home = asked.folder.resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    # So that both nodes have something to rank.
    items.ALONE_ITEMS, items.ITEMS_TOGETHER = 0, 2 * PART_ITEMS
    made(home / "made.parquet", asked.items)
    begun(home / "begun", home / "made.parquet", asked.encoder)
    tell("made", items=asked.items, parts=len(RowParts(rows_of(home / "begun")).numbers()))
    bare_seconds = bare(home / "begun")
    tell("bare", encode_seconds=round(bare_seconds, 1))
    quiet = home / "alone"
    shutil.copytree(home / "begun", quiet)
    seconds = encoded(quiet, None)
    tell(
        "this machine alone",
        encode_seconds=round(seconds, 1),
        ratio_to_bare=round(seconds / bare_seconds, 2),
        rank_seconds=round(ranked(quiet, None), 1),
    )
    for killing in (False, True):
        on_the_cluster(home, quiet, bare_seconds, killing=killing)


if __name__ == "__main__":
    main()
