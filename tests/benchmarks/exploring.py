"""How long the page with the map waits for the server, over HTTP in this process.

    python -m tests.benchmarks.exploring [--tasks 10000 100000] [--labels 10] [--times 5]

A pool of made tasks, with vectors of the bundled encoder's width around 50 directions, a head, 200
labels, and a map. Prints a JSON line a size: seconds of the first answer, which reads the pool, and
the median of those that follow, of `map.json`, of the description of a task, of a search by words
(the first loads the encoder) and of *More like this*; megabytes of the map's answer, and the
memory of the process at most.
"""

import json
import resource
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from flask import Flask
from flask.testing import FlaskClient

from backend.interface.parse import parse
from backend.mirror.pool import Pool
from backend.project.loop import ProjectLoop
from backend.project.service import Service
from backend.project.status import Served, Status
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.types import Json
from backend.web.wire import install
from model.encoders.text import BUNDLED
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.maps import MOST_POINTS, Map, save_map
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from tests.backend.test_routes import NoWork

WIDTH, GROUPS, LABELLED, TOKENS = 384, 50, 200, 128
URL = "http://127.0.0.1:9"


def interface(labels: int) -> str:
    choices = "".join(f'<Choice value="label {one}"/>' for one in range(labels))
    text = '<Text name="text" value="$text"/>'
    return f'<View>{text}<Choices name="label" toName="text">{choices}</Choices></View>'


def tasks(count: int, labels: int) -> Iterator[Json]:
    for number in range(count):
        value = {"choices": [f"label {number % labels}"]}
        answer = {"from_name": "label", "to_name": "text", "type": "choices", "value": value}
        given = {"id": number, "result": [answer], "was_cancelled": False, "completed_by": 1}
        data = {"text": f"Text number {number}, " + "some words to fill it " * 20}
        yield {"id": 1 + number, "data": data, "annotations": [given] * (number < LABELLED)}


def client(folder: Path, count: int, labels: int) -> FlaskClient:
    rng, xml = np.random.default_rng(0), interface(labels)
    config, store = parse(xml), Store(folder / "7")
    with closing(Pool(folder / "7" / "pool.sqlite")) as pool:
        pool.update(tasks(count, labels), config)
        _, keys = pool.keys(config, 0)
    with store.new_encoder(0) as aside:
        write_encoder_meta(aside, EncoderMeta(BUNDLED, BUNDLED, TOKENS, WIDTH))
    centres = rng.normal(size=(GROUPS, WIDTH))
    rows = centres[rng.integers(GROUPS, size=count)] + rng.normal(size=(count, WIDTH))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    store.vectors(0).append(keys, rows.astype(np.float32))
    names, weights = config.labels, rng.normal(size=(WIDTH, labels)).astype(np.float32)
    head = Head("single", names, weights, np.zeros(labels), np.zeros(WIDTH))
    nothing, shortlist = np.zeros(0, np.int64), np.arange(LABELLED + 1, LABELLED + 51)
    version = Version("0.1", 0, head, nothing, nothing, shortlist, VersionFacts(labels=LABELLED))
    drawn = rng.permutation(keys)[:MOST_POINTS]
    places = rng.normal(size=(len(drawn), 2)).astype(np.float32)
    save_map(folder / "7", Map(drawn, places, 0, "", 0.0, ()))
    loop = ProjectLoop(7, Connection(URL, "t"), lambda *_: NoWork(), 60.0)
    loop.status = Status(served=Served(version, config, xml, store), config=config)
    service = Service(Settings(model_dir=folder, label_studio_url=URL))
    service._loops[7] = loop
    app = Flask("backend")
    install(app, service)
    return app.test_client()


def measured(browser: FlaskClient, path: str, times: int) -> tuple[dict[str, float], int]:
    """Seconds of the first answer and the median of the others, and the bytes of the last."""
    seconds, size = [], 0
    for _ in range(1 + times):
        began = time.perf_counter()
        answer = browser.get(f"/status/7/{path}")
        seconds.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
        size = len(answer.data)
    return {"first_s": round(seconds[0], 3), "s": round(float(np.median(seconds[1:])), 3)}, size


def play(count: int, labels: int, times: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        browser = client(Path(name), count, labels)
        drawn, size = measured(browser, "map.json", times)
        found = {
            "map": drawn,
            "task": measured(browser, f"tasks.json?ids={count // 2}", times)[0],
            "words": measured(browser, "search.json?words=a+football+club", times)[0],
            "like": measured(browser, f"search.json?like={count // 2}", times)[0],
        }
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = {"tasks": count, "labels": labels, **found, "map_mb": round(size / 1e6, 2)}
    print(json.dumps({**line, "memory_mb": round(memory)}), flush=True)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    for count in arguments.tasks:
        play(count, arguments.labels, arguments.times)


if __name__ == "__main__":
    main()
