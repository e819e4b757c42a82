"""A pool outside of a real Label Studio: what is worth asking for is imported, each item once."""

import csv
import json
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import requests

from backend.dev import local
from backend.mirror.items import META
from backend.studio.api import Studio
from backend.types import Json
from model.choosing.audit import in_reserve
from model.storage.vectors import content_key
from tests.conftest import QUICK
from tests.studio.bench import Bench, stories, until
from tests.studio.command import command
from tests.studio.gate import Gate

# Where Label Studio keeps its data makes no difference here.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

ITEMS, OPEN_TASKS = 600, 40
BATCH = OPEN_TASKS // 2


@pytest.fixture(scope="module")
def backend_settings(fed_settings: dict[str, object]) -> dict[str, object]:
    return fed_settings


def pool(bench: Bench, *arguments: str) -> tuple[int, str]:
    return run(bench, "pool", *arguments)


def run(bench: Bench, *arguments: str) -> tuple[int, str]:
    """A command as a user runs it beside the server: its exit status, and what it said."""
    environ = {
        "MODEL_DIR": str(bench.models),
        "LABEL_STUDIO_URL": bench.studio.url,
        "LABEL_STUDIO_API_KEY": local.TOKEN,
        "PORT": bench.server.url.rpartition(":")[2],
    }
    done = command(*arguments, environ=environ)
    return done.status, done.out + done.err


def written(folder: Path, name: str, rows: list[Json]) -> Path:
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, ["number", "story", "topic"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def numbered(count: int) -> list[Json]:
    return [{"number": f"{place:05d}", **story} for place, story in enumerate(stories(count))]


def items_of(bench: Bench, project: int) -> dict[int, str]:
    """Task -> the item that it shows."""
    return {task["id"]: task["meta"][META] for task in bench.studio.of(project).tasks()}


def first_open(bench: Bench, project: int, labelled: set[int]) -> set[int]:
    """The task that the served version would have asked next."""
    version = bench.version(project)
    assert version is not None
    return {next(task for task in version.shortlist.tolist() if task not in labelled)}


def test_a_project_is_fed_from_its_dataset(bench: Bench, tmp_path: Path) -> None:
    project = bench.empty_project()
    bench.connect(project)
    until("a mirror", lambda: bench.mirror_path(project).exists())
    dataset = written(tmp_path / "news", "a.csv", numbered(ITEMS))
    status, said = pool(bench, "add", str(dataset), "--project", str(project), "--id", "number")
    assert status == 0, said
    assert f"{ITEMS} items" in said
    until("the first tasks", lambda: len(items_of(bench, project)) == BATCH)
    until("an order", lambda: bench.ranks(project) == BATCH)
    until("the switch", lambda: bench.is_ordered(project) and bench.is_switched(project))
    labelled: set[int] = set()
    for _ in range(27):
        asked_first = first_open(bench, project, labelled)
        task = bench.studio.of(project).next_task()
        assert task is not None
        asked_first |= first_open(bench, project, labelled)
        assert task["id"] in asked_first, "no task comes out of turn, also while items are imported"
        bench.submit(task, [task["data"]["topic"]])
        labelled.add(task["id"])
        bench.until_learnt(project, task["id"])
    found = list(items_of(bench, project).values())
    assert len(found) > BATCH, "more were imported as tasks were labelled"
    assert len(found) == len(set(found)), "none twice"
    until("all encoded", lambda: bench.state(project)["dataset"]["encoded"] == 1.0)
    assert bench.state(project)["open_tasks"] <= OPEN_TASKS
    tickets = np.array([content_key(one) for one in found])
    share = in_reserve(tickets, 0.1, 0).mean()
    assert 0.03 < share < 0.3, "about a tenth of them are audit tasks"
    check_told(bench, project, len(labelled), dataset)
    check_finish(bench, project, labelled, tmp_path / "answers.csv")
    check_removed(bench, project)


def check_told(bench: Bench, project: int, labels: int, dataset: Path) -> None:
    """The page and the doctor speak of the dataset, and not of the few items that are tasks."""
    url = f"{bench.server.url}/status/{project}"
    shown = requests.get(url, timeout=10).text
    assert f"<b>{ITEMS - labels}</b>items of the dataset not labelled" in shown
    known = bench.state(project)["dataset"]
    assert known["open_tasks"] == bench.state(project)["open_tasks"]
    dataset.rename(dataset.with_name("moved"))
    status, said = run(bench, "doctor", "--project", str(project))
    dataset.with_name("moved").rename(dataset)
    assert status == 0, said
    lines = [line for line in said.splitlines() if line.startswith(DATASET_LINES)]
    assert lines[0] == f"ok    dataset         {dataset}: {known['sentence']}".rstrip(".")
    assert [line[:22].rstrip() for line in lines[1:]] == [
        "ok    dataset files",
        "hint  source",
        "ok    columns",
        "ok    open tasks",
        "ok    disk",
    ]


DATASET_LINES = tuple(
    f"{verdict:<6}{name}"
    for verdict in ("ok", "hint", "wrong")
    for name in ("dataset", "source", "columns", "open tasks", "disk", "ray")
)


def check_removed(bench: Bench, project: int) -> None:
    """What the model can label is said of the tasks again, without a further label: the page went
    on saying that an earlier release had made the version."""
    status, said = pool(bench, "remove", "--project", str(project))
    assert (status, "has no dataset any more" in said) == (0, True), said

    def outlook() -> Json:
        version = bench.version(project)
        assert version is not None
        return version.facts.outlook

    until("what the model can label of the tasks", outlook)
    assert bench.state(project)["dataset"] is None
    assert (
        "tasks not labelled"
        in requests.get(f"{bench.server.url}/status/{project}", timeout=10).text
    )


def check_finish(bench: Bench, project: int, labelled: set[int], out: Path) -> None:
    """What the model says of the dataset is written for each item without a label, once."""
    until("the coverage", lambda: bench.state(project)["dataset"]["coverage"])
    assert "for any item yet" in bench.state(project)["finishing"]["sentence"]
    version = bench.version(project)
    assert version is not None and version.head is not None
    assert version.facts.outlook == {}, "no promise about the tasks"
    status, said = run(bench, "finish", "--project", str(project), "--out", str(out))
    assert status == 0, said
    assert f"{ITEMS - len(labelled)} items of the dataset without a label" in said
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    items = items_of(bench, project)
    gone = {items[task] for task in labelled}
    every = {row["number"]: row for row in numbered(ITEMS)}
    assert [row["id"] for row in rows] == [one for one in every if one not in gone]
    assert all(row["story"] == every[row["id"]]["story"] for row in rows)
    right = [json.loads(row["labels"]) == [row["topic"]] for row in rows]
    assert np.mean(right) > 0.7, "they are the model's answers to these very items"
    assert len({row["version"] for row in rows}) == 1


class LosesAnswers(Gate):
    """Forwards everything, but of the first imports of tasks the answers are lost: as if one of the
    two servers was killed at that moment."""

    def __init__(self, url: str, lost: int) -> None:
        super().__init__(url, "", {})
        self.wanted = {}
        self.to_lose, self.lost = lost, 0

    def forward(self, asked: BaseHTTPRequestHandler) -> None:
        if asked.command == "POST" and asked.path.endswith("/import") and self.lost < self.to_lose:
            self.lost += 1
            with suppress(OSError):
                super().forward(cast(BaseHTTPRequestHandler, _Unheard(asked)))
            asked.close_connection = True
            asked.connection.close()
        else:
            super().forward(asked)


class _Unheard:
    """A request whose answer goes nowhere."""

    def __init__(self, asked: BaseHTTPRequestHandler) -> None:
        self.command, self.path, self.headers = asked.command, asked.path, asked.headers
        self.rfile, self.wfile = asked.rfile, BytesIO()

    def send_response_only(self, status: int) -> None: ...
    def send_header(self, name: str, value: str) -> None: ...
    def end_headers(self) -> None: ...


def test_an_import_whose_answer_is_lost_is_not_made_twice(studio: Studio, tmp_path: Path) -> None:
    """The server is killed before it learns that Label Studio has taken the items."""
    gate = LosesAnswers(studio.url, lost=1)
    settings: dict[str, object] = {**QUICK, "open_tasks": OPEN_TASKS}
    server = local.backend(tmp_path, local.free_port(), f"http://{gate.host}", **settings)
    with closing(gate), server:
        server.wait_until_up()
        bench = Bench(studio, server, tmp_path / "models", settings)
        project = bench.empty_project()
        bench.connect(project)
        until("a mirror", lambda: bench.mirror_path(project).exists())
        dataset = written(tmp_path / "news", "a.csv", numbered(100))
        status, said = pool(bench, "add", str(dataset), "--project", str(project), "--id", "number")
        assert status == 0, said
        until("a lost answer", lambda: gate.lost == 1)
        server.kill()
        server.start()
        server.wait_until_up()
        until("an order", lambda: bench.ranks(project) == BATCH)
        found = list(items_of(bench, project).values())
        assert len(found) == len(set(found)) == BATCH
        bench.delete_projects()
