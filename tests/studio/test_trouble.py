"""What goes wrong around a project is reported, nothing is lost, and all recovers afterwards."""

import json
import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from backend.dev import local
from tests.studio.bench import SINGLE, Bench, stories, until

ROOM = "48m"

# What happens to our own files is the same, whatever Label Studio keeps its data in.
our_files = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_labels_that_updated_at_hides_are_found_by_counting(
    bench: Bench, label_studio: local.LocalProcess
) -> None:
    """A backup put back, a clock set back: a change that no look at new changes shows."""
    project = bench.connected(stories(30))
    first, second = list(bench.studio.of(project).tasks())[:2]
    bench.submit(first, ["tech"])
    bench.submit(second, ["tech"])
    bench.until_learnt(project, second["id"])
    future = json.dumps("2100-01-01T00:00:00.000000Z")
    with sqlite3.connect(bench.mirror_path(project), timeout=30) as db:
        db.execute("UPDATE task SET annotations = '[]' WHERE id = ?", (second["id"],))
        db.execute("UPDATE fact SET value = ? WHERE name = 'cursor'", (future,))
    bench.submit(first, ["sports"])  # makes the backend look
    bench.until_learnt(project, second["id"])


@our_files
def test_labels_that_neither_updated_at_nor_the_counts_show_are_found_after_a_start(
    bench: Bench, label_studio: local.LocalProcess
) -> None:
    """A restored backup left wrong labels: said sports in our mirror and business in Label Studio,
    for good, because only the counts were compared."""
    project = bench.connected(stories(30))
    first, second, third, *_ = bench.studio.of(project).tasks()
    for task in (first, second):
        bench.submit(task, ["sports"])
        bench.until_learnt(project, task["id"])
    bench.server.kill()
    database = label_studio.log.parent / "label-studio" / "label_studio.sqlite3"
    with sqlite3.connect(database, timeout=30) as db:
        db.execute(
            "UPDATE task_completion SET result = replace(result, 'sports', 'business') "
            "WHERE task_id = ?",
            (first["id"],),
        )
        # The other annotation is one of another task in the backup.
        swap = (third["id"], second["id"])
        db.execute("UPDATE task_completion SET task_id = ? WHERE task_id = ?", swap)
        for task, count in ((second["id"], 0), (third["id"], 1)):
            counted = "UPDATE task SET total_annotations = ?, is_labeled = ? WHERE id = ?"
            db.execute(counted, (count, count, task))
    bench.server.start()
    bench.server.wait_until_up()
    until(
        "the labels of the backup",
        lambda: bench.labels_known(project) == {first["id"], third["id"]},
    )
    query = f"SELECT annotations FROM task WHERE id = {first['id']}"
    (packed,) = bench.mirror(project, query)[0]
    assert "business" in str(packed) and "sports" not in str(packed)
    (packed,) = bench.mirror(project, f"SELECT annotations FROM task WHERE id = {second['id']}")[0]
    assert packed == "[]"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # PostgreSQL refuses to keep it
def test_a_task_that_label_studio_cannot_send_stops_nothing(bench: Bench) -> None:
    """Half of an emoji, in a task or in an annotation: Label Studio answered 500 for all tasks of
    a page, and no label of the project was learnt any more. The same for the tabs."""
    project, mended = bench.project(stories(30)), {"data": stories(1)[0]}
    tab = {"project": project, "data": {"title": "half \ud83d"}}
    bench.studio.session.call("POST", "/api/dm/views/", json=tab, allowed=(500,))  # it is saved
    bench.connect(project)
    until("the sampling mode", lambda: bench.is_ordered(project))
    studio = bench.studio.of(project)
    known = studio.task_ids()
    studio.import_tasks([{"story": "song \ud83d", "topic": "tech"}])
    (half,) = studio.task_ids() - known
    first, second = sorted(known)[:2]
    bench.submit({"id": first}, ["tech"])
    bench.until_learnt(project, first)
    until("the first one named", lambda: unsent(bench, project) == [half])
    area = {"from_name": "a", "to_name": "text", "type": "textarea", "value": {"text": ["\ud83d"]}}
    path = f"/api/tasks/{second}/annotations/"  # Label Studio saves it, and cannot answer
    bench.studio.session.call("POST", path, json={"result": [area]}, allowed=(500,))
    until("the other one named", lambda: unsent(bench, project) == [second, half])
    bench.studio.session.call("DELETE", f"/api/tasks/{second}/")
    bench.studio.session.call("PATCH", f"/api/tasks/{half}/", json=mended)
    until("both mended", lambda: unsent(bench, project) == [])
    assert bench.state(project)["troubles"] == []
    assert bench.mirror(project, "SELECT count(*) FROM task") == [(30,)]


def unsent(bench: Bench, project: int) -> list[int]:
    rows = bench.state(project)["unreadable_tasks"]
    assert all("cannot send this task: it answers 500" in row["reason"] for row in rows)
    return [row["task"] for row in rows]


def test_a_deleted_project_is_reported_and_the_others_go_on(bench: Bench) -> None:
    project, other = bench.connected(stories(5)), bench.connected(stories(30))
    bench.studio.session.call("DELETE", f"/api/projects/{project}/")
    until("the state", lambda: "no project" in str(bench.state(project)["trouble"]))
    task = bench.studio.of(other).next_task()
    assert task is not None
    bench.submit(task, ["tech"])
    bench.until_learnt(other, task["id"])
    assert bench.state(other)["trouble"] is None


@our_files
def test_a_damaged_mirror_is_read_again(bench: Bench) -> None:
    """Everything that matters in it is in Label Studio."""
    project = bench.connected(stories(30))
    task = bench.studio.of(project).next_task()
    assert task is not None
    bench.submit(task, ["tech"])
    bench.until_learnt(project, task["id"])
    before = bench.served(project)
    bench.server.kill()
    path = bench.mirror_path(project)
    path.write_bytes(os.urandom(8192))
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    bench.server.start()
    bench.server.wait_until_up()
    until("a new version", lambda: bench.served(project) not in ("0.0", before))
    bench.until_learnt(project, task["id"])
    assert len(list(path.parent.glob("*.damaged-*"))) == 1


def test_an_interface_saved_during_a_switch_is_kept_or_its_loss_is_reported(
    bench: Bench,
) -> None:
    """Label Studio saves a whole project at each change: of two at once the first is gone."""
    project = bench.connected(stories(60))
    stop = threading.Event()
    annotator = threading.Thread(target=_label_until, args=(bench, project, stop))
    annotator.start()
    try:
        for number in range(6):
            config = SINGLE.replace("Which topic?", f"Which topic, number {number}?")
            reported = _times_reported(bench, project)
            bench.studio_of_its_own().of(project).update(label_config=config)
            until(
                "the new interface, or a word that it is lost",
                partial(_is_followed_or_reported, bench, project, config, reported),
            )
            if not _is_followed(bench, project, config):
                bench.studio_of_its_own().of(project).update(label_config=config)
    finally:
        stop.set()
        annotator.join()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of which little is left."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk to fill")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@our_files
def test_a_full_disk_is_reported_and_learning_resumes_when_there_is_room(
    label_studio: local.LocalProcess, bench: Bench, small_disk: Path
) -> None:
    server = local.backend(
        small_disk, local.free_port(), label_studio.url, poll_seconds=1, deep_rounds="no"
    )
    server.log = small_disk.parent / "backend.log"
    with server:
        server.wait_until_up()
        here = Bench(bench.studio, server, small_disk / "models", {})
        project = here.connected(stories(40))
        ballast = small_disk / "ballast"
        _fill(ballast)
        served = here.served(project)
        task = here.studio.of(project).next_task()
        assert task is not None
        here.submit(task, ["tech"])
        until("the state", lambda: "is full" in str(here.state(project)["trouble"]))
        assert here.served(project) == served, "the last version is served on"
        assert here.studio.of(project).next_task() is not None
        ballast.unlink()
        here.until_learnt(project, task["id"])
        until("a state without trouble", lambda: here.state(project)["trouble"] is None)


def _fill(path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))
    # The last byte, too.
    with pytest.raises(OSError, match="No space left"), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"0")


def _is_followed_or_reported(bench: Bench, project: int, config: str, reported: int) -> bool:
    return _is_followed(bench, project, config) or _times_reported(bench, project) > reported


def _times_reported(bench: Bench, project: int) -> int:
    """How often it was reported that something was saved at the very moment of a switch."""
    troubles = bench.state(project)["troubles"]
    return sum(one["times"] for one in troubles if "very moment" in one["sentence"])


def _is_followed(bench: Bench, project: int, config: str) -> bool:
    """Whether Label Studio has the interface, and the backend reads and serves it."""
    kept = bench.studio.of(project).describe()["label_config"] == config
    return kept and bench.state(project)["trouble"] is None


def _label_until(bench: Bench, project: int, stop: threading.Event) -> None:
    """An annotator who labels as fast as the order changes."""
    while not stop.is_set() and (task := bench.studio.of(project).next_task()) is not None:
        bench.submit(task, [task["data"]["topic"]])
        bench.until_learnt(project, task["id"])
