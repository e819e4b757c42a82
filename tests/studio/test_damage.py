"""What is damaged in MODEL_DIR heals, who is kept out of it, and what does not grow for ever."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import requests

from backend.dev import local
from backend.errors import BackendError
from backend.folder.format import FORMAT
from backend.queue.cleanup import MOST_ROWS, OPEN_SECONDS
from backend.types import Json
from model.storage.store import Store, version_key
from model.storage.vectors import LEAST_UNUSED
from tests.studio.bench import Bench, partly_labelled, stories, until

# What happens to our own files is the same, whatever Label Studio keeps its data in.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(one_layer: Path) -> dict[str, object]:
    tuned = {"deep_rounds": "yes", "deep_round_first": 20}
    few_versions = {"shortlist": MOST_ROWS // 2}
    return {**tuned, **few_versions, "encoder": str(one_layer), "max_tokens": 32}


def restarted(bench: Bench) -> None:
    bench.server.start()
    bench.server.wait_until_up()


def state(bench: Bench, project: int) -> Json:
    """What the backend says of a project; {} while it is starting and has no time to answer."""
    try:
        return bench.state(project)
    except requests.ReadTimeout:
        return {}


def troubles(bench: Bench, project: int) -> str:
    return " ".join(one["sentence"] for one in state(bench, project).get("troubles", []))


def page(bench: Bench, project: int) -> requests.Response:
    return requests.get(f"{bench.server.url}/status/{project}", timeout=10)


def until_well(bench: Bench, project: int) -> None:
    until("a state without trouble", lambda: state(bench, project).get("trouble", "") is None)


def learns_on(bench: Bench, project: int) -> None:
    task = bench.studio.of(project).next_task()
    assert task is not None
    bench.submit(task, [task["data"]["topic"]])
    bench.until_learnt(project, task["id"])
    until_well(bench, project)


@dataclass(frozen=True)
class Harmed:
    """Projects whose files were changed while no backend ran, each in its own way: all in one stop,
    because a start costs ten seconds of a core."""

    bench: Bench
    vectors: int
    """Two vectors hold a NaN, and the head of the version that was served is empty."""
    encoders: int
    """The meta.json of its first encoder is empty; the second one, tuned here, is served."""
    crowded: int
    """It has many vectors of tasks that are gone."""
    later: int
    """A later release has written its folder."""
    served: str
    """The damaged version of the first project."""
    needed: int
    """Vectors of the crowded one that are of tasks."""
    left: list[Path]
    """What is in the folder of the last one."""


LATER = '{"format": 99}'


@pytest.fixture(scope="module")
def harmed(shared_bench: Bench) -> Iterator[Harmed]:
    bench = replace(shared_bench, projects=[])
    encoders = bench.connected(partly_labelled(stories(60), 20))
    vectors, crowded, later = (bench.connected(stories(count)) for count in (30, 5, 5))
    learns_on(bench, vectors)
    assert bench.until_tuned(encoders).encoder == 1
    bench.server.kill()
    served = put_nan(bench, vectors)
    (Store(bench.models / str(encoders)).encoder_folder(0) / "meta.json").write_bytes(b"")
    needed = fill(bench, crowded)
    folder = bench.models / str(later)
    (folder / "format.json").write_text(LATER)
    left = sorted(folder.glob("*/*"))
    bench.models.chmod(0o755)
    restarted(bench)
    yield Harmed(bench, vectors, encoders, crowded, later, served, needed, left)
    bench.delete_projects()


def put_nan(bench: Bench, project: int) -> str:
    """Damage vectors and the newest version. Returns its name."""
    store = Store(bench.models / str(project))
    served = store.version_names()[-1]
    vectors = np.memmap(store.vectors_folder(0) / "vectors.bin", np.float16, mode="r+")
    vectors.reshape(-1, store.encoders()[0].dimension)[[3, 8], 5] = np.nan
    vectors.flush()
    (store.version_folder(served) / "head.safetensors").write_bytes(b"")
    return served


def fill(bench: Bench, project: int) -> int:
    """Add vectors of tasks that are gone. Written here, because deleting ten thousand tasks takes
    minutes. Returns how many there were before."""
    vectors = Store(bench.models / str(project)).vectors(0)
    needed, gone = vectors.count(), np.arange(2 * LEAST_UNUSED)
    vectors.append(gone, np.ones((len(gone), vectors.dimension), np.float16))
    return needed


def test_damaged_vectors_and_versions_heal(harmed: Harmed) -> None:
    """One NaN in a vector failed each turn for good, and *Start Training* could not help, because
    the round failed before it asked; a damaged version could not be gone back to."""
    bench, project = harmed.bench, harmed.vectors
    store, damaged = Store(bench.models / str(project)), f"Version {harmed.served} was damaged"
    until("the report", lambda: "2 vectors of encoder 0" in troubles(bench, project))
    until("the other report", lambda: damaged in troubles(bench, project))
    until("all tasks in the order", lambda: bench.ranks(project) == 29)
    learns_on(bench, project)
    assert "were damaged" in page(bench, project).text
    assert not store.version_folder(harmed.served).exists()


def test_vectors_of_deleted_tasks_are_dropped_at_a_start(harmed: Harmed) -> None:
    """They stayed for good."""
    bench, project = harmed.bench, harmed.crowded
    vectors = Store(bench.models / str(project)).vectors(0)
    until("the vectors dropped", lambda: vectors.count() <= harmed.needed)
    learns_on(bench, project)
    assert bench.ranks(project) == 4


def test_other_users_of_the_machine_can_read_nothing(harmed: Harmed) -> None:
    """Texts and labels were readable for everybody who has an account. A folder that somebody made
    readable is closed at the next start."""
    bench = harmed.bench
    written = [path for path in bench.models.rglob("*") if path.exists()]
    assert bench.mirror_path(harmed.crowded) in written
    assert [path for path in [bench.models, *written] if path.stat().st_mode & 0o077] == []
    assert bench.models.stat().st_mode & 0o777 == 0o700


def test_data_of_a_later_release_is_refused_and_left_alone(harmed: Harmed) -> None:
    """After a downgrade each turn failed with a TypeError that said nothing."""
    bench, project = harmed.bench, harmed.later
    until("the refusal", lambda: "later release" in str(state(bench, project)))
    folder = bench.models / str(project)
    assert sorted(folder.glob("*/*")) == harmed.left
    number = folder / "format.json"
    assert number.read_text() == LATER
    number.write_text(f'{{"format": {FORMAT}}}')
    until_well(bench, project)
    learns_on(bench, project)


def test_damaged_and_lost_encoders_are_replaced(harmed: Harmed) -> None:
    """An empty meta.json of an encoder that was not even served stopped learning and turned the
    status page into an error. A lost newest encoder's number was used again with its old vectors:
    silently wrong, cosine .60."""
    bench, project = harmed.bench, harmed.encoders
    store = Store(bench.models / str(project))
    until("the report", lambda: "Encoder 0 was damaged" in troubles(bench, project))
    assert page(bench, project).status_code == 200
    learns_on(bench, project)
    assert bench.served(project).startswith("1.")

    bench.server.kill()
    shutil.rmtree(store.encoder_folder(1))
    restarted(bench)
    until("the report", lambda: "Encoder 1 is missing" in troubles(bench, project))
    until("another encoder", lambda: bench.served(project).startswith(("2.", "3.")))
    assert page(bench, project).status_code == 200
    learns_on(bench, project)
    until("the next deep round", lambda: bench.served(project).startswith("3."))
    assert 1 not in store.encoders()


def test_old_predictions_are_bounded_by_their_number(bench: Bench) -> None:
    """Fifty rows a label stayed in Label Studio for half a day, however many people labelled."""
    project = bench.connected(stories(30))
    for _ in range(4):
        learns_on(bench, project)
    before = set(bench.studio.of(project).model_versions())
    assert len(before) >= 5
    with sqlite3.connect(bench.mirror_path(project), timeout=30) as db:
        db.execute("UPDATE published SET at = at - ?", (OPEN_SECONDS + 60,))
    learns_on(bench, project)
    until(
        "the oldest versions deleted",
        lambda: not set(sorted(before, key=version_key)[:-2]) & _versions_there(bench, project),
    )
    assert bench.served(project) in _versions_there(bench, project)
    assert bench.studio.of(project).next_task() is not None


def _versions_there(bench: Bench, project: int) -> set[str]:
    return set(bench.studio.of(project).model_versions())


def test_a_second_backend_on_the_same_folder_ends_with_a_sentence(bench: Bench) -> None:
    """Two of them fought in its folders; commands that only read are not kept out."""
    project = bench.connected(stories(5))
    url = bench.studio.url
    second = local.backend(bench.models.parent, local.free_port(), url, **bench.settings)
    second.log = bench.models.parent / "second.log"
    with second, pytest.raises(BackendError, match="ended while starting"):
        second.wait_until_up()
    said = second.log.read_text()
    assert "error: Another backend works in MODEL_DIR" in said
    assert "Traceback" not in said
    environ = {**os.environ, "MODEL_DIR": str(bench.models)}
    command = [sys.executable, "-m", "backend", "versions", "--project", str(project)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert bench.served(project) in done.stdout
    assert bench.state(project)["trouble"] is None
