"""Finishing a project in a real Label Studio: what the model writes, what people do meanwhile, and
how all of it is taken back."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from backend.dev import local
from backend.studio.users import users
from backend.types import Json
from model.choosing.audit import draw
from tests.soak.annotators import sign_up
from tests.studio.bench import Bench, choices, partly_labelled, stories, until
from tests.studio.command import command

# Where Label Studio keeps its data makes no difference here.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

STORIES, AUDITS, OTHERS, BLANK = 120, 40, 12, 3
AUDIT_SHARE = 0.4
GOAL = ("--precision", "0.6", "--confidence", "0.8", "--full-speed")
"""What a few labels prove, perhaps for all tasks that show anything; those that are BLANK stay."""
MODEL = "model@example.com"


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    """Many audit tasks, because these prove something."""
    return {"audit_share": AUDIT_SHARE}


class Finished:
    """A project with enough audit labels, and the command beside its server."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.number = bench.project([{"story": " ", "topic": "tech"}] * BLANK)
        self.studio = bench.studio.of(self.number)
        self.labelled = self.import_labelled(max(self.studio.task_ids()) + 1)
        self.tasks = {
            task["id"]: task for task in self.studio.tasks() if task["data"]["story"].strip()
        }
        bench.connect(self.number)
        count = STORIES - len(self.labelled)
        until("an order", lambda: bench.ranks(self.number) == count, 600)
        until("all labels", lambda: bench.labels_known(self.number) == self.labelled)
        until("the mode", lambda: bench.is_ordered(self.number) and bench.is_switched(self.number))

    def import_labelled(self, first: int) -> set[int]:
        """Import the stories, the first one as the task with this number, with a label on those
        that come first and last by their lot: audit tasks, and others. Returns which ones."""
        ids = np.arange(first, first + STORIES)
        in_turn = ids[np.argsort(draw(ids, 0))].tolist()
        chosen = {*in_turn[:AUDITS], *in_turn[-OTHERS:]}
        tasks = partly_labelled(stories(STORIES), STORIES)
        for number, task in zip(ids.tolist(), tasks, strict=True):
            if number not in chosen:
                task["annotations"] = []
        self.studio.import_tasks(tasks)
        annotated, _ = self.studio.annotated(0, STORIES)
        assert {task["id"] for task in annotated} == chosen, "Label Studio counts on"
        return chosen

    def command(self, *arguments: str) -> tuple[int, str]:
        """Its exit status and what it said."""
        words = ("finish", "--project", str(self.number), *arguments)
        done = command(*words, environ=self.environ)
        return done.status, done.out + done.err

    def started(self, log: IO[str]) -> "subprocess.Popen[bytes]":
        """The command with the usual goal in a process of its own."""
        words = ("finish", "--project", str(self.number), *GOAL)
        environ = {**os.environ, **self.environ}
        line = [sys.executable, "-m", "backend", *words]
        return subprocess.Popen(line, env=environ, stdout=log, stderr=log)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "MODEL_DIR": str(self.bench.models),
            "LABEL_STUDIO_URL": self.bench.studio.url,
            "LABEL_STUDIO_API_KEY": local.TOKEN,
            "AUDIT_SHARE": "0.4",
        }

    def finish(self, *arguments: str) -> str:
        status, said = self.command(*GOAL, *arguments)
        assert status == 0, said
        return said

    def open(self) -> set[int]:
        """The open tasks that show something."""
        return {task["id"] for task in self.studio.open_tasks(min(self.tasks), max(self.tasks))}

    def predicted(self, version: str) -> Counter[int]:
        """How many predictions of a version each task has."""
        rows = self.studio.predictions()
        return Counter(row["task"] for row in rows if row["model_version"] == version)

    def exported(self) -> list[Json]:
        """Label Studio's own JSON of all tasks, with whole predictions."""
        path, call = f"/api/projects/{self.number}/exports/", self.bench.studio.session.call
        options = {"serialization_options": {"predictions": {"only_id": False}}}
        number = call("POST", path, json=options).json()["id"]
        found = f"{path}{number}"
        until("the export", lambda: call("GET", found).json()["status"] == "completed")
        tasks: list[Json] = call("GET", f"{found}/download", params={"exportType": "JSON"}).json()
        return tasks

    def kept(self) -> Json:
        """What must be the same after everything was taken back."""
        project = self.studio.describe()
        served = project["model_version"]
        rows = [row for row in self.studio.predictions() if row["model_version"] == served]
        return {
            "annotations": {task["id"]: task["annotations"] for task in self.studio.tasks()},
            "predictions": {row["id"]: (row["task"], row["score"]) for row in rows},
            "settings": {name: project[name] for name in ("sampling", "model_version")},
        }


def test_predictions_on_all_open_tasks_are_exported_and_taken_back(bench: Bench) -> None:
    project = Finished(bench)
    before, version = project.kept(), bench.served(project.number)
    shortlist = project.predicted(version).keys() & project.open()
    said = project.finish("--dry-run")
    still = STORIES - AUDITS - OTHERS
    assert f"Version {version} (served), {still + BLANK} open tasks" in said
    assert f"({BLANK} show nothing)" in said
    assert "audit labels prove it" in said
    assert project.kept() == before, "nothing is written"

    first = bench.studio.of(project.number).lowest_scored()
    said = project.finish()
    wrote = still - len(shortlist)
    assert f"Wrote {wrote} predictions of version {version}; {len(shortlist)} had one" in said
    held = project.predicted(version)
    assert {task: held[task] for task in project.open()} == dict.fromkeys(project.open(), 1)
    assert bench.studio.of(project.number).lowest_scored() == first, "the queue is the same"
    exported, still_open = project.exported(), project.open()
    carried = {
        task["id"]: [
            one["result"] for one in task["predictions"] if one["model_version"] == version
        ]
        for task in exported
        if task["id"] in still_open
    }
    assert carried.keys() == project.open()
    assert all(len(found) == 1 and found[0][0]["value"]["choices"] for found in carried.values())
    again = project.finish()
    assert "Wrote 0 predictions" in again

    said = project.finish("--undo")
    assert f"Deleted the predictions of version {version} on {wrote} tasks" in said
    assert project.kept() == before
    status, said = project.command("--undo")
    assert status == 2
    assert "There is nothing to take back" in said


def test_annotations_by_a_user_of_their_own_are_no_labels(bench: Bench) -> None:
    project = Finished(bench)
    before, labels = project.kept(), bench.labels_known(project.number)
    status, said = project.command(*GOAL, "--to", "annotations", "--as", "nobody@example.com")
    assert status == 2
    assert "has no user nobody@example.com" in said
    sign_up(bench.studio.url, MODEL)
    (model,) = [one["id"] for one in users(bench.studio.session) if one["email"] == MODEL]

    said = project.finish("--to", "annotations", "--as", MODEL)
    theirs = {
        task["id"]: task["annotations"]
        for task in project.studio.tasks()
        if any(one["completed_by"] == model for one in task["annotations"])
    }
    assert len(theirs) > 10, said
    assert f"Wrote {len(theirs)} annotations" in said
    for (annotation,) in theirs.values():
        (region,) = annotation["result"]
        mark = region["meta"]["finish"]
        assert mark["probability"] > 0.2
        assert f"annotations of version {mark['version']}" in said
    right = sum(
        one[0]["result"][0]["value"]["choices"] == [project.tasks[task]["data"]["topic"]]
        for task, one in theirs.items()
    )
    assert right > 0.6 * len(theirs)

    def is_seen() -> bool:
        finished = "SELECT count(*) FROM task WHERE annotations LIKE '%\"finished\"%'"
        return bench.mirror(project.number, finished) == [(len(theirs),)]

    until("the model's annotations", is_seen)
    count = len(project.open())
    until("an order without them", lambda: bench.ranks(project.number) == count)
    assert bench.labels_known(project.number) == labels, "they are never learnt from"
    assert bench.state(project.number)["labels"] == AUDITS + OTHERS

    changed = next(iter(theirs))
    theirs_now = choices(["tech"])
    path = f"/api/annotations/{theirs[changed][0]['id']}/"
    bench.studio.session.json("PATCH", path, json={"result": theirs_now})
    bench.until_learnt(project.number, changed)

    said = project.finish("--undo")
    assert f"Deleted {len(theirs) - 1} annotations" in said
    left = {task["id"]: task["annotations"] for task in project.studio.tasks()}
    assert left.pop(changed)[0]["result"] == theirs_now, "it is a person's by now"
    known = before["annotations"]
    assert left == {task: known[task] for task in left}
    count = len(project.open())
    until("all in order", lambda: bench.ranks(project.number) == count)
    assert bench.labels_known(project.number) == {*labels, changed}


def test_a_tab_shows_what_stands_to_accept_it_at_once(bench: Bench) -> None:
    project = Finished(bench)
    before, version = project.kept(), bench.served(project.number)
    said = project.finish("--to", "tab")
    sure = project.predicted(f"sure ({version})")
    assert len(sure) > 10, said
    assert f'The Data Manager tab "Model is sure" shows {len(sure)} tasks' in said
    assert set(sure.values()) == {1}
    assert sure.keys() <= project.open()
    assert draw(np.array(list(sure)), 0).min() >= AUDIT_SHARE, "audit tasks are for people"
    (tab,) = [one for one in project.studio.tabs() if one["data"]["title"] == "Model is sure"]
    hidden = tab["data"]["hiddenColumns"]["explore"]
    assert "tasks:predictions_results" not in hidden, "what the model says is to be looked through"
    assert "tasks:predictions_score" in hidden, "scores are of another version"
    listed = bench.studio.session.json(
        "GET", "/api/tasks/", params={"view": tab["id"], "page_size": 1000}
    )
    assert {task["id"] for task in listed["tasks"]} == sure.keys()

    said = project.finish("--undo")
    assert 'Deleted the tab "Model is sure"' in said
    assert not project.predicted(f"sure ({version})")
    assert "Model is sure" not in [one["data"]["title"] for one in project.studio.tabs()]
    assert project.kept() == before


def test_after_a_kill_the_same_command_goes_on(bench: Bench, tmp_path: Path) -> None:
    project = Finished(bench)
    ledger = bench.models / str(project.number) / "finish.sqlite"
    with (tmp_path / "log").open("w") as log:
        killed = project.started(log)
        until("a batch in doubt", lambda: _sent(ledger) > 0 or killed.poll() is not None)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    was_done = _has_ended(ledger)  # before we looked
    # Somebody labels meanwhile: the task stays theirs.
    task = bench.studio.of(project.number).next_task()
    assert task is not None
    bench.submit(task, ["tech"])
    bench.until_learnt(project.number, task["id"])
    said = project.finish()
    version = _version(ledger)
    # If it was done, this one is about the version that the label has made.
    assert was_done or f"Going on with version {version}" in said
    held = project.predicted(version)
    assert set(held) >= project.open()
    assert set(held.values()) == {1}, "exactly one a task"


def _sent(ledger: Path) -> int:
    """How many tasks a ledger knows."""
    if not ledger.is_file():
        return 0
    try:
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as db:
            return int(db.execute("SELECT count(*) FROM written").fetchone()[0])
    except sqlite3.OperationalError:  # just being made
        return 0


def _has_ended(ledger: Path) -> bool:
    """Whether the first run has written everything."""
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as db:
        return db.execute("SELECT ended FROM run ORDER BY id").fetchone()[0] is not None


def _version(ledger: Path) -> str:
    """The version that wrote last: another may have followed the one that was served before."""
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as db:
        return str(db.execute("SELECT version FROM run ORDER BY id DESC").fetchone()[0])


def test_a_file_in_label_studios_own_format_imports_again(bench: Bench, tmp_path: Path) -> None:
    project = Finished(bench)
    before = project.kept()
    for name in ("all.json", "all.jsonl", "all.csv"):
        said = project.finish("--out", str(tmp_path / name))
        assert f"{len(project.open())} tasks are in {tmp_path / name}" in said
    assert project.kept() == before, "nothing is written into Label Studio"
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert {row["task"] for row in rows} == project.open()
    assert all(row["data"] == project.tasks[row["task"]]["data"] for row in rows)
    standing = [row for row in rows if row["stands"]]
    right = sum(row["labels"] == [row["data"]["topic"]] for row in standing)
    assert right > 0.6 * len(standing) > 6
    other = bench.project(json.loads((tmp_path / "all.json").read_text()))
    copied = bench.studio.of(other).predictions()
    assert sorted(row["score"] for row in copied) == pytest.approx(
        sorted(
            0.5 + 0.5 * min(row["probabilities"].values()) if row["probabilities"] else 0.5
            for row in rows
        ),
        abs=0.02,
    )
    status, said = project.command(*GOAL, "--out", str(tmp_path / "all.json"))
    assert status == 2
    assert "exists; choose another name" in said
