"""What is damaged in MODEL_DIR heals, who is kept out of it, and what does not grow for ever."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from backend.dev import local
from backend.errors import BackendError
from backend.queue.cleanup import MOST_ROWS, OPEN_SECONDS
from backend.types import Json
from model.storage.store import Store, version_key
from model.storage.vectors import LEAST_UNUSED
from tests.studio.bench import Bench, stories, until
from tests.studio.test_deep_round import label

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


def test_damaged_vectors_and_versions_heal(bench: Bench) -> None:
    """One NaN in a vector failed each turn for good, and *Start Training* could not help, because
    the round failed before it asked; a damaged version could not be gone back to."""
    project = bench.connected(stories(30))
    learns_on(bench, project)
    bench.server.kill()
    store, served = Store(bench.models / str(project)), bench_version(bench, project)
    path = store.vectors_folder(0) / "vectors.bin"
    vectors = np.memmap(path, np.float16, mode="r+")
    vectors.reshape(-1, store.encoders()[0].dimension)[[3, 8], 5] = np.nan
    vectors.flush()
    (store.version_folder(served) / "head.safetensors").write_bytes(b"")
    restarted(bench)
    until("the report", lambda: "2 vectors of encoder 0" in troubles(bench, project))
    until("the other report", lambda: f"Version {served} was damaged" in troubles(bench, project))
    until("all tasks in the order", lambda: bench.ranks(project) == 29)
    learns_on(bench, project)
    assert "were damaged" in page(bench, project).text
    assert not store.version_folder(served).exists()


def test_damaged_and_lost_encoders_are_replaced(bench: Bench) -> None:
    """An empty meta.json of an encoder that was not even served stopped learning and turned the
    status page into an error. A lost newest encoder's number was used again with its old vectors:
    silently wrong, cosine .60."""
    project = bench.connected(stories(60))
    label(bench, project, 20)
    assert bench.until_tuned(project).encoder == 1
    bench.server.kill()
    store = Store(bench.models / str(project))
    (store.encoder_folder(0) / "meta.json").write_bytes(b"")
    restarted(bench)
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


def test_other_users_of_the_machine_can_read_nothing(bench: Bench) -> None:
    """Texts and labels were readable for everybody who has an account."""
    project = bench.connected(stories(5))
    learns_on(bench, project)
    written = [path for path in bench.models.rglob("*") if path.exists()]
    assert bench.mirror_path(project) in written
    assert [path for path in [bench.models, *written] if path.stat().st_mode & 0o077] == []
    bench.server.kill()
    bench.models.chmod(0o755)
    restarted(bench)
    assert bench.models.stat().st_mode & 0o777 == 0o700


def test_vectors_of_deleted_tasks_are_dropped_at_a_start(bench: Bench) -> None:
    """They stayed for good. Written here, because deleting ten thousand tasks takes minutes."""
    project = bench.connected(stories(5))
    bench.server.kill()
    vectors = Store(bench.models / str(project)).vectors(0)
    needed, gone = vectors.count(), np.arange(2 * LEAST_UNUSED)
    vectors.append(gone, np.ones((len(gone), vectors.dimension), np.float16))
    restarted(bench)
    until("the vectors dropped", lambda: vectors.count() <= needed)
    learns_on(bench, project)
    assert bench.ranks(project) == 4


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


def bench_version(bench: Bench, project: int) -> str:
    """The newest version on disk, while no backend runs."""
    return Store(bench.models / str(project)).version_names()[-1]


def test_data_of_a_later_release_is_refused_and_left_alone(bench: Bench) -> None:
    """After a downgrade each turn failed with a TypeError that said nothing."""
    project = bench.connected(stories(5))
    bench.server.kill()
    folder = bench.models / str(project)
    number = folder / "format.json"
    ours = number.read_text()
    number.write_text('{"format": 99}')
    before = sorted(folder.glob("*/*"))
    restarted(bench)
    until("the refusal", lambda: "later release" in str(state(bench, project)))
    assert sorted(folder.glob("*/*")) == before
    number.write_text(ours)
    until_well(bench, project)
    learns_on(bench, project)


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
