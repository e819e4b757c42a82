"""After an update the server goes on with what release 0.1 left, beside a real Label Studio."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from backend.mirror.identity import CREATED
from backend.mirror.pool import Pool
from backend.studio.api import Studio
from backend.types import Json
from model.storage.store import Store, version_key
from tests.backend.data.archive import CONFIG, PROJECT, unpack
from tests.backend.data.make_old_folder import backend_in, label, label_studio, rollback
from tests.studio.bench import Bench, until


@pytest.fixture
def bench(label_studio_program: str, tmp_path: Path) -> Iterator[Bench]:
    """A Label Studio whose only project is the one that the data folder is about, with its tasks
    and annotations under the same numbers, and this release on that folder."""
    unpack(tmp_path / "backend")
    mirror = tmp_path / "backend" / "models" / PROJECT / "pool.sqlite"
    with label_studio(tmp_path / "studio", label_studio_program) as studio:
        created = project_of(mirror, studio)
        with closing(Pool(mirror)) as pool:
            pool.remember(CREATED, created)  # it was made just now, the one in the mirror long ago
        with backend_in(tmp_path / "backend", studio) as bench:
            bench.connect(int(PROJECT))
            yield bench


def project_of(mirror: Path, studio: Studio) -> str:
    """Make the mirror's project in an empty Label Studio. Returns when it was created."""
    project = studio.create_project(title="old", label_config=CONFIG)
    assert str(project["id"]) == PROJECT
    with closing(sqlite3.connect(mirror)) as db:
        rows = db.execute("SELECT id, data, annotations FROM task ORDER BY id").fetchall()
    studio.of(project["id"]).import_tasks([json.loads(data) for _, data, _ in rows])
    assert studio.of(project["id"]).task_ids() == {task for task, _, _ in rows}
    given: list[tuple[int, int, list[Json]]] = [
        (annotation["id"], task, annotation["result"])
        for task, _, annotations in rows
        for annotation in json.loads(annotations)
    ]
    for number, task, result in sorted(given, key=lambda one: one[0]):
        assert studio.annotate(task, result)["id"] == number
    return str(project["created_at"])


def test_the_pinned_version_serves_on_and_without_the_pin_learning_goes_on(bench: Bench) -> None:
    """Nothing of what was learnt is lost by an update: not the pin, not the fine-tuned encoder, and
    no name of a version is given twice, under which Label Studio may hold predictions."""
    project = int(PROJECT)
    store = Store(bench.models / PROJECT)
    pinned, tuned = store.load_version("0.23"), store.load_version("1.3")
    until("an order of its own", lambda: bench.served(project) != "0.30")
    until("the switch", lambda: bench.is_switched(project))
    version = bench.version(project)
    assert version is not None and version.head is not None and pinned.head is not None
    assert (version.facts.head_of, version.facts.labels) == (pinned.name, 29)
    assert version_key(version.name) > version_key("0.30")
    np.testing.assert_array_equal(version.head.weights, pinned.head.weights)
    task = bench.studio.of(project).next_task()
    assert task is not None
    assert task["predictions"][0]["model_version"] == version.name

    rollback(bench, project, "--latest")
    until("the fine-tuned encoder", lambda: bench.served(project).startswith("1."))
    label(bench, project, 32)
    until("the switch", lambda: bench.is_switched(project))
    version = bench.version(project)
    assert version is not None
    assert version_key(version.name) > version_key(tuned.name)
    assert (version.facts.head_of, len(bench.labels_known(project))) == (None, 31)
    assert list(store.encoders()) == [0, 1], "the old ones are enough"
    # After the switch, which people wait for.
    until("the version's line", lambda: history(bench)[-1] == version.name)
    assert history(bench)[0] == "0.1"


def history(bench: Bench) -> list[str]:
    """The versions that the history names, the oldest first."""
    rows = (bench.models / PROJECT / "history.jsonl").read_text().splitlines()
    return [json.loads(row)["version"] for row in rows]
