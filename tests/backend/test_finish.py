"""`python -m backend finish` beside a Label Studio that fails, that people work in, and that keeps
what it is sent. On a real server: tests/studio/test_finish.py."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from pyarrow import parquet

from backend.__main__ import main
from backend.finish import predictions, undo
from backend.finish.finisher import LOCK
from backend.finish.ledger import Ledger
from backend.finish.pace import LONG, MOST_ROWS, Batches, Pace
from backend.folder.lock import lock_of
from backend.interface.content import key_of
from backend.interface.parse import parse
from backend.mirror.certified import current
from backend.mirror.finished import FACT, marked
from backend.mirror.identity import CREATED
from backend.mirror.pool import Pool
from backend.project.loop import PUBLISH_BURST, PUBLISH_SHARE
from backend.project.pin import pin
from backend.types import Json
from model.choosing.audit import draw
from model.finishing.goal import Goal
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from tests.backend.web import Answer, Web

XML = (
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
    '<Choice value="Sport"/><Choice value="Tech"/></Choices></View>'
)
CONFIG = parse(XML)
NOTHING = np.zeros(0, np.int64)
TASKS, AUDITS = 200, 60
"""Tasks; and those with the lowest lots of these, which are labelled, all by Sport or Tech in
turn."""
PROVED = ("--precision", "0.9", "--confidence", "0.8")

Command = Callable[..., tuple[int, str]]


def answer(topic: str) -> list[Json]:
    value = {"choices": [topic]}
    return [{"from_name": "topic", "to_name": "text", "type": "choices", "value": value}]


def topic_of(task: int) -> str:
    return "Sport" if task % 2 else "Tech"


class Project:
    """Project 7: a folder in which version 0.3 is served, which is always right and mostly sure;
    and a Label Studio that holds its tasks."""

    def __init__(self, folder: Path, web: Web) -> None:
        self.store, self.web = Store(folder / "7"), web
        with self.store.new_encoder(0) as aside:
            write_encoder_meta(aside, EncoderMeta("base", "base", 16, 2))
        weights = 20 * np.eye(2, dtype=np.float32)
        head = Head("single", ("Sport", "Tech"), weights, np.zeros(2), np.zeros(2))
        facts = VersionFacts(created_at=1.0)
        self.store.save_version(Version("0.3", 0, head, NOTHING, NOTHING, NOTHING, facts))
        ids = np.arange(1, TASKS + 1)
        sides = np.array([[1.0, 0.0] if task % 2 else [0.0, 1.0] for task in ids.tolist()])
        keys = np.array([key_of((f"text {task}",)) for task in ids.tolist()])
        self.store.vectors(0).append(keys, sides)
        self.labelled = ids[np.argsort(draw(ids, 0))][:AUDITS].tolist()
        self.tasks: dict[int, Json] = {
            task: {"id": task, "data": {"text": f"text {task}"}, "annotations": []}
            for task in ids.tolist()
        }
        for task in self.labelled:
            self.annotate(task, topic_of(task))
        self.predictions: list[Json] = []
        self.xml = XML
        self.refusing: list[int] = []
        """Statuses that the next imports of predictions are answered with."""
        self.on_import: Callable[[], object] = lambda: None
        self.on_annotate: Callable[[int], object] = lambda _: None
        """Called with the task after an annotation is made, and before that is answered."""
        with closing(self.pool()) as pool:
            pool.update(self.tasks.values(), CONFIG)
            pool.add_published("0.3", 1.0)
            pool.remember(CREATED, "2026")
        for path, answers in {
            "/api/projects/7/": self._project,
            "/api/tasks/": self._some,
            "/api/projects/7/import/predictions": self._import,
            "/api/current-user/whoami": self._own,
            "/api/users/": self._users,
            "/api/dm/actions": self._delete_predictions,
        }.items():
            web.answers[path] = answers
        for number in range(1, TASKS + 1):
            web.answers[f"/api/tasks/{number}/annotations/"] = self._annotate
            web.answers[f"/api/annotations/{number}/"] = self._delete_annotation
            web.answers[f"/api/predictions/{number - 1}/"] = self._delete_prediction

    def pool(self) -> Pool:
        return Pool(self.store.folder / "pool.sqlite")

    def annotate(self, task: int, topic: str, **values: object) -> None:
        number = sum(len(one["annotations"]) for one in self.tasks.values()) + 1
        made = {"id": number, "result": answer(topic), "was_cancelled": False, "completed_by": 1}
        self.tasks[task]["annotations"].append(made | values)

    @property
    def open(self) -> set[int]:
        return {task for task, one in self.tasks.items() if not one["annotations"]}

    def held(self) -> list[int]:
        return sorted(one["task"] for one in self.predictions)

    def _project(self, handler: Any) -> None:
        told = {"id": 7, "created_at": "2026", "label_config": self.xml, "model_version": "0.3"}
        _say(handler, told)

    def _own(self, handler: Any) -> None:
        _say(handler, {"id": 1, "email": "me@example.com"})

    def _users(self, handler: Any) -> None:
        _say(handler, [{"id": 1, "email": "me@example.com"}])

    def _some(self, handler: Any) -> None:
        asked = parse_qs(urlsplit(handler.path).query)
        found = [
            {**task, "predictions": [one for one in self.predictions if one["task"] == number]}
            for number, task in self.tasks.items()
        ]
        for item in json.loads(asked["query"][0])["filters"]["items"]:
            found = [task for task in found if _passes(task, item)]
        size = int(asked["page_size"][0])
        _say(handler, {"tasks": found[:size], "total": len(found)})

    def _import(self, handler: Any) -> None:
        if self.refusing:
            Answer(b'{"detail": "out of order"}', self.refusing.pop(0))(handler)
            return
        self.on_import()
        rows = json.loads(handler.body)
        if any(row["task"] not in self.tasks for row in rows):
            Answer(b'{"detail": "no such task"}', 400)(handler)
            return
        self.predictions += rows
        _say(handler, {"created": len(rows)})

    def _annotate(self, handler: Any) -> None:
        task, made = int(handler.path.split("/")[3]), json.loads(handler.body)
        known = [one.get("unique_id") for one in self.tasks[task]["annotations"]]
        if made["unique_id"] in known:
            Answer(b"{}", 409)(handler)
            return
        values = {name: made[name] for name in ("result", "completed_by", "unique_id")}
        self.annotate(task, "", **values)
        self.on_annotate(task)
        _say(handler, self.tasks[task]["annotations"][-1])

    def _delete_annotation(self, handler: Any) -> None:
        number = int(handler.path.split("/")[3])
        for task in self.tasks.values():
            task["annotations"] = [one for one in task["annotations"] if one["id"] != number]
        Answer(status=204)(handler)

    def _delete_predictions(self, handler: Any) -> None:
        """All predictions on some tasks, whoever made them."""
        assert parse_qs(urlsplit(handler.path).query)["id"] == ["delete_tasks_predictions"]
        tasks = json.loads(handler.body)["selectedItems"]["included"]
        self.predictions = [one for one in self.predictions if one["task"] not in tasks]
        _say(handler, {})

    def _delete_prediction(self, handler: Any) -> None:
        number = int(handler.path.split("/")[3])
        self.predictions = [one for one in self.predictions if one.get("id") != number]
        Answer(status=204)(handler)


def _passes(task: Json, item: Json) -> bool:
    name, value = item["filter"].removeprefix("filter:tasks:"), int(item["value"])
    if name != "id":
        return name != "total_annotations" or len(task["annotations"]) == value
    number = int(task["id"])
    return number > value if item["operator"] == "greater" else number <= value


def _say(handler: Any, value: object) -> None:
    Answer(json.dumps(value).encode(), 200, {"Content-Type": "application/json"})(handler)


@pytest.fixture
def project(tmp_path: Path, web: Web) -> Project:
    return Project(tmp_path, web)


@pytest.fixture
def command(
    project: Project,
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Command]:
    """Run it for project 7: its exit status, and all that it said."""
    for name, value in {
        "MODEL_DIR": str(project.store.folder.parent),
        "LABEL_STUDIO_URL": web.url,
        "LABEL_STUDIO_API_KEY": "token",
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["backend", "finish", "--project", "7", *arguments])
        try:
            status = main()
        except SystemExit as error:  # of the arguments
            status = int(str(error.code))
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    monkeypatch.setenv("AUDIT_SHARE", "0.9")
    yield run


def test_the_split_is_told_and_nothing_is_written(project: Project, command: Command) -> None:
    status, said = command(*PROVED, "--dry-run")
    assert status == 0
    left = TASKS - AUDITS
    assert f"Version 0.3 (served), {left} open tasks, wanted: at least 90 % right" in said
    assert f"The model can label {left} of them by itself (100 %)" in said
    assert f"Choices 'topic': {left} answers of a probability of" in said
    assert f"{AUDITS} audit labels prove it, none of them wrong" in said
    assert "0 stay with people" in said
    assert project.held() == []
    assert not (project.store.folder / "finish.sqlite").exists()


def test_predictions_are_written_once_and_remembered(project: Project, command: Command) -> None:
    status, said = command(*PROVED)
    assert (status, project.held()) == (0, sorted(project.open))
    assert f"Wrote {TASKS - AUDITS} predictions of version 0.3" in said
    assert all(0.5 <= one["score"] <= 1.0 for one in project.predictions), "after the queue"
    assert {one["model_version"] for one in project.predictions} == {"0.3"}
    with closing(project.pool()) as pool:
        assert pool.fact(FACT) == ["0.3"], "the server keeps them"
    status, said = command(*PROVED)
    assert f"Wrote 0 predictions of version 0.3; {TASKS - AUDITS} had one before" in said
    assert project.held() == sorted(project.open)


def test_what_fails_in_the_middle_is_said_and_goes_on(
    project: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.refusing = [500]
    status, said = command(*PROVED)
    assert status == 2
    assert f"0 of {TASKS - AUDITS} tasks are done" in said
    assert "give the same command again" in said
    with closing(Ledger(project.store.folder)) as ledger:
        (run,) = ledger.runs()
        doubtful, _ = ledger.in_doubt(run)
        assert set(doubtful) == project.open
    monkeypatch.setattr(predictions, "DOUBT_SECONDS", 0.0)
    status, said = command(*PROVED)
    assert status == 0, said
    assert "Going on with version 0.3 and the promises of" in said
    assert project.held() == sorted(project.open)


def test_what_cannot_go_on_can_be_taken_back(
    project: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labelling interface was changed after an interruption."""
    project.refusing = [500]
    command(*PROVED)
    project.xml = XML.replace('"Tech"', '"Science"')
    status, said = command(*PROVED)
    assert status == 2
    assert "An interrupted finish cannot go on: Version 0.3 knows the labels Sport, Tech" in said
    assert "--undo" in said
    monkeypatch.setattr(predictions, "DOUBT_SECONDS", 0.0)
    assert command("--undo")[0] == 0
    assert project.held() == []


def test_what_arrived_without_an_answer_is_not_written_again(
    project: Project, command: Command
) -> None:
    """A power failure, or a kill, after the request was sent."""
    project.refusing = [500]
    command(*PROVED)
    project.predictions = [
        {"task": task, "model_version": "0.3", "score": 0.9} for task in sorted(project.open)
    ]
    status, _ = command(*PROVED)
    assert (status, project.held()) == (0, sorted(project.open))


def test_deleted_and_labelled_tasks_in_the_middle_are_left_alone(
    project: Project, command: Command
) -> None:
    labelled, deleted = sorted(project.open)[:2]
    project.annotate(labelled, "Tech")

    def delete() -> None:
        project.tasks.pop(deleted, None)

    project.on_import = delete
    status, said = command(*PROVED)
    assert status == 0, said
    assert project.held() == sorted(project.open)
    assert "labelled, skipped or deleted meanwhile" in said


def test_annotations_are_marked_and_made_once(project: Project, command: Command) -> None:
    before = project.open
    status, said = command(*PROVED, "--to", "annotations")
    assert status == 2
    assert "Say with --as EMAIL whose annotations they become" in said
    status, said = command(*PROVED, "--to", "annotations", "--as", "Me@example.com")
    assert status == 0, said
    assert f"Wrote {len(before)} annotations of version 0.3" in said
    for task in before:
        (made,) = project.tasks[task]["annotations"]
        assert made["result"][0]["value"] == {"choices": [topic_of(task)]}
        assert made["result"][0]["meta"]["finish"]["version"] == "0.3"
    with closing(project.pool()) as pool:
        pool.update(project.tasks.values(), CONFIG)
        labelling = pool.labelling(CONFIG, empty_is_none=False)
    assert set(labelling.finished.tolist()) == before
    assert labelling.open_tasks == 0
    assert set(labelling.answers) == set(project.labelled)


def test_a_task_that_a_person_labels_in_the_same_moment_is_theirs(
    project: Project, command: Command
) -> None:
    given = project.open
    both = sorted(given)[3]

    def label(task: int) -> None:
        if task == both:
            project.annotate(task, "Tech")

    project.on_annotate = label
    status, said = command(*PROVED, "--to", "annotations", "--as", "me@example.com")
    assert status == 0, said
    assert f"Wrote {len(given) - 1} annotations of version 0.3; 1 were labelled" in said
    (theirs,) = project.tasks[both]["annotations"]
    assert theirs["result"] == answer("Tech")


def test_annotations_go_on_after_an_interruption_without_a_second_one(
    project: Project, command: Command
) -> None:
    """Label Studio made the annotation, but its answer was lost."""
    given = project.open
    lost = sorted(given)[30]

    def fail(task: int) -> None:
        if task == lost:
            project.on_annotate = lambda _: None
            raise ConnectionAbortedError

    project.on_annotate = fail
    status, said = command(*PROVED, "--to", "annotations", "--as", "me@example.com")
    assert status == 2
    assert f"20 of {len(given)} tasks are done" in said
    status, said = command(*PROVED, "--to", "annotations", "--as", "me@example.com")
    assert status == 0, said
    assert "Going on with version 0.3" in said
    assert all(len(project.tasks[task]["annotations"]) == 1 for task in given)
    assert f"Deleted {len(given)} annotations" in command("--undo")[1]
    assert project.open == given


def test_a_file_has_its_name_once_it_is_whole(
    project: Project, command: Command, tmp_path: Path
) -> None:
    for name in ("a.jsonl", "a.csv", "a.json"):
        status, said = command(*PROVED, "--out", str(tmp_path / name))
        assert status == 0, said
        assert f"{TASKS - AUDITS} tasks are in" in said
        assert not (tmp_path / f"{name}.unfinished").exists()
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert {row["task"] for row in rows} == project.open
    assert all(row["labels"] == [topic_of(row["task"])] == row["standing"] for row in rows)
    with (tmp_path / "a.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [int(row["task"]) for row in table] == [row["task"] for row in rows]
    assert [row["text"] for row in table] == [row["data"]["text"] for row in rows]
    imported = json.loads((tmp_path / "a.json").read_text())
    assert [one["data"] for one in imported] == [row["data"] for row in rows]
    assert imported[0]["predictions"][0]["model_version"] == "0.3"
    assert project.held() == [], "nothing is written into Label Studio"


def test_a_full_disk_leaves_no_half_file(
    project: Project, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl.unfinished").symlink_to("/dev/full")
    status, said = command(*PROVED, "--out", str(tmp_path / "a.jsonl"))
    assert status == 2
    assert "The disk is full" in said
    assert "give the same command again" in said
    assert not (tmp_path / "a.jsonl").exists()
    assert not (tmp_path / "a.jsonl.unfinished").is_symlink()
    assert command(*PROVED, "--out", str(tmp_path / "a.jsonl"))[0] == 0


def test_files_that_cannot_be_written_are_refused(
    project: Project, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    for name, sentence in {
        "there.csv": "there.csv exists; choose another name",
        "a.xlsx": "the name must end in one of .jsonl, .csv, .parquet, .json",
        "no/a.csv": "there is no folder",
    }.items():
        status, said = command("--out", str(tmp_path / name))
        assert status == 2
        assert sentence in said
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_parquet_holds_the_open_tasks(project: Project, command: Command, tmp_path: Path) -> None:
    status, said = command(*PROVED, "--out", str(tmp_path / "a.parquet"))
    assert status == 0, said
    table = parquet.read_table(tmp_path / "a.parquet")
    assert set(table["task"].to_pylist()) == project.open


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--precision", "95"), "did you mean 0.95?"),
        (("--precision", "high"), "is not a number such as 0.95"),
        (("--precision", "1.0"), "A precision of 1 cannot be promised"),
        (("--confidence", "0"), "A confidence of 0 cannot be promised"),
        (("--version", "9.9"), "There is no version 9.9; known are 0.3"),
        (("--undo",), "There is nothing to take back"),
    ],
)
def test_what_cannot_be_done_is_said(
    project: Project, command: Command, arguments: tuple[str, ...], sentence: str
) -> None:
    status, said = command(*arguments)
    assert status == 2
    assert sentence in said
    assert project.held() == []


@pytest.mark.parametrize(
    "xml",
    [
        XML.replace('<Choice value="Sport"/>', '<Choice value="Sports"/>'),
        XML.replace('<Choice value="Sport"/>', "").replace(
            "</Choices>", '<Choice value="Sport"/></Choices>'
        ),
        XML.replace("<Choices ", '<Choices choice="multiple" '),
        XML.replace("<Choice ", "<Label ").replace("Choices", "Labels"),
    ],
    ids=["other labels", "another order", "another control", "spans"],
)
def test_another_interface_is_refused(project: Project, command: Command, xml: str) -> None:
    """Probabilities would stand for other labels."""
    project.xml = xml
    status, said = command(*PROVED)
    assert status == 2
    expected = "marks spans" if "<Labels" in xml else "but the labelling interface has"
    assert expected in said
    assert project.held() == []


def test_a_pinned_version_is_used_and_said(project: Project, command: Command) -> None:
    newer = project.store.load_version("0.3")
    facts = VersionFacts(created_at=2.0)
    project.store.save_version(Version("0.4", 0, newer.head, NOTHING, NOTHING, NOTHING, facts))
    with closing(project.pool()) as pool:
        pool.add_published("0.4", 2.0)
    assert "Version 0.4 (served)" in command(*PROVED, "--dry-run")[1]
    pin(project.store, newer)
    assert "Version 0.3 (pinned)" in command(*PROVED, "--dry-run")[1]
    assert "Version 0.4 (as asked)" in command(*PROVED, "--dry-run", "--version", "0.4")[1]


def test_without_audit_labels_nothing_is_promised(
    project: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIT_SHARE", "0")
    status, said = command(*PROVED, "--to", "annotations", "--as", "me@example.com")
    assert status == 0
    assert "The model can label none of them" in said
    assert "no task that was drawn at random has a label yet" in said
    assert "with AUDIT_SHARE=0 none is drawn" in said
    assert "Nothing is written" in said


def test_audit_tasks_that_were_learnt_from_prove_nothing(
    project: Project, command: Command
) -> None:
    """The command was given another AUDIT_SHARE than the server."""
    version = project.store.load_version("0.3")
    learnt = np.array(project.labelled[:5])
    facts = VersionFacts(created_at=2.0)
    project.store.save_version(Version("0.4", 0, version.head, learnt, NOTHING, NOTHING, facts))
    status, said = command(*PROVED, "--version", "0.4")
    assert status == 2
    assert "has learnt from 5 tasks that are audit tasks by AUDIT_SHARE=0.9 and SEED=0" in said


def test_without_a_version_there_is_nothing_to_label_with(
    project: Project, command: Command
) -> None:
    project.store.delete_version("0.3")
    status, said = command(*PROVED)
    assert status == 2
    assert "has no version yet" in said


def test_a_ledger_that_cannot_be_written_is_said(project: Project, command: Command) -> None:
    (project.store.folder / "finish.sqlite").mkdir()
    status, said = command(*PROVED)
    assert status == 2
    assert "What was written cannot be noted in MODEL_DIR" in said
    assert project.held() == [], "nothing without a note"


def test_undo_leaves_what_people_saved_again(project: Project, command: Command) -> None:
    given = project.open
    command(*PROVED, "--to", "annotations", "--as", "me@example.com")
    corrected, confirmed = sorted(given)[:2]
    (made,) = project.tasks[corrected]["annotations"]
    made["result"][0]["value"] = {"choices": ["Tech"]}
    made |= {"created_at": "2026-01-01T10:00:00.1Z", "updated_at": "2026-01-01T10:00:05.2Z"}
    (made,) = project.tasks[confirmed]["annotations"]
    made |= {"created_at": "2026-01-01T10:00:00.1Z", "updated_at": "2026-01-01T10:00:09.2Z"}
    status, said = command("--undo")
    assert status == 0, said
    assert f"Deleted {len(given) - 2} annotations of version 0.3; 2 that people saved" in said
    assert project.open == given - {corrected, confirmed}
    assert all(project.tasks[task]["annotations"] for task in project.labelled)


def test_undo_finds_annotations_without_its_ledger(project: Project, command: Command) -> None:
    given = project.open
    command(*PROVED, "--to", "annotations", "--as", "me@example.com")
    with closing(project.pool()) as pool:
        pool.update(project.tasks.values(), CONFIG)
    for path in project.store.folder.glob("finish.sqlite*"):
        path.unlink()
    status, said = command("--undo")
    assert status == 0, said
    assert f"Deleted {len(given)} annotations that an earlier finish made" in said
    assert project.open == given


def test_undo_of_the_served_version_keeps_what_orders_the_queue(
    project: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100,000 take minutes: that is said before they begin."""
    monkeypatch.setattr(undo, "MANY", TASKS - AUDITS - 10)
    shortlist = sorted(project.open)[:10]
    ours = [{"task": task, "model_version": "0.3", "score": 0.1} for task in shortlist]
    others = [{"task": task, "model_version": "by hand"} for task in sorted(project.open)[5:15]]
    project.predictions = [*ours, *others]
    command(*PROVED)
    assert len(project.predictions) == TASKS - AUDITS + len(others)
    for place, one in enumerate(project.predictions):
        one["id"] = place
    status, said = command("--undo")
    assert status == 0, said
    assert f"{TASKS - AUDITS - 10} predictions are of the version that Label Studio serves" in said
    assert f"Deleted the predictions of version 0.3 on {TASKS - AUDITS - 10} tasks" in said
    assert project.predictions == [*ours, *others]
    with closing(project.pool()) as pool:
        assert pool.fact(FACT) == []


def test_two_at_once_are_refused(project: Project, command: Command) -> None:
    lock = lock_of(project.store.folder / LOCK)
    assert lock is not None
    with lock:
        status, said = command(*PROVED)
        assert status == 2
        assert "Another finish writes for project 7 just now (process " in said
    assert command(*PROVED)[0] == 0


def test_annotations_by_the_model_count_as_open_for_the_next_promise(
    project: Project, command: Command
) -> None:
    """Those that were given away were the easy ones: without them, the audit labels of easy tasks
    would vouch for the hard ones that are left."""
    result = marked([{**answer("Sport")[0], "score": 0.99}], "0.3")
    for task in sorted(project.open)[:100]:
        project.annotate(task, "", result=result)
    with closing(project.pool()) as pool:
        pool.update(project.tasks.values(), CONFIG)
    said = command(*PROVED, "--dry-run")[1]
    assert f"Version 0.3 (served), {TASKS - AUDITS - 100} open tasks" in said
    assert f"Choices 'topic': {TASKS - AUDITS} answers" in said


def test_writes_take_their_share_of_the_time_and_no_more() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace, worked = Pace(True, lambda: now[0], sleep), 0.0
    while worked < 100.0:
        with pace.working():
            now[0] += 5.0
        worked += 5.0
    assert worked <= PUBLISH_BURST + PUBLISH_SHARE * now[0] + 5.0
    assert worked >= PUBLISH_SHARE * now[0]
    free, before = Pace(False, lambda: now[0], sleep), now[0]
    for _ in range(20):
        with free.working():
            now[0] += 5.0
    assert now[0] == before + 100.0


@pytest.mark.parametrize(
    ("fixed", "a_row"), [(0.1, 0.0011), (12.0, 0.0001), (150.0, 0.0001)], ids=str
)
def test_batches_are_as_large_as_requests_stay_short(fixed: float, a_row: float) -> None:
    """Without its flag, Label Studio recounts the whole project at each request."""
    batches = Batches()
    for _ in range(8):
        batches.note(batches.rows, fixed + a_row * batches.rows)
    seconds = fixed + a_row * batches.rows
    if fixed < LONG / 2:
        assert 0.8 * LONG < seconds < 1.01 * LONG
    else:
        assert batches.rows == MOST_ROWS, "as few requests as possible"


def test_a_goal_is_remembered_as_it_was(tmp_path: Path) -> None:
    goal = Goal(0.9, 0.8, each_label=True, whole=True)
    with closing(Ledger(tmp_path)) as ledger:
        run = ledger.begin("predictions", "0.3", goal, ())
        assert ledger.runs() == [run]
        assert run.goal == goal
        ledger.note_sent(run, [3, 1, 2])
        ledger.note_done(run, [1])
        assert ledger.in_doubt(run)[0] == [2, 3]
        ledger.note_gone(run, [3])
        assert list(ledger.parts(run)) == [[1, 2]]
        ledger.forget(run)
        assert ledger.runs() == []


@pytest.mark.parametrize("change", [("--undo",), ("--certify", "10")], ids=str)
def test_a_dry_run_changes_nothing(
    project: Project, command: Command, change: tuple[str, ...]
) -> None:
    """`--undo --dry-run` took everything back."""
    command(*PROVED)
    before = project.held()
    status, said = command(*change, "--dry-run")
    assert status == 2
    assert "Leave out one of the two" in said
    assert project.held() == before
    with closing(project.pool()) as pool:
        assert current(pool) is None


def test_a_file_where_nothing_can_be_written_is_said(project: Project, command: Command) -> None:
    """It was a traceback."""
    status, said = command(*PROVED, "--out", "/proc/answers.jsonl")
    assert status == 2
    assert "/proc/answers.jsonl cannot be written" in said


def test_more_labels_are_not_promised_to_help_where_the_model_labelled_all_it_could(
    project: Project, command: Command
) -> None:
    """The tasks that it had annotated already were offered once more."""
    unsure = {*sorted(project.labelled)[:16], *sorted(project.open)[100:]}
    with project.store.new_encoder(1) as aside:
        write_encoder_meta(aside, EncoderMeta("base", "base", 16, 2))
    ids = list(project.tasks)
    near, far = (0.69, 0.72), (0.0, 1.0)
    sides = [(near if task in unsure else far)[:: -1 if task % 2 else 1] for task in ids]
    keys = [key_of((f"text {task}",)) for task in ids]
    project.store.vectors(1).append(np.array(keys), np.array(sides))
    for task in sorted(project.labelled)[:16:2]:
        project.tasks[task]["annotations"][0]["result"] = answer(topic_of(task + 1))
    project.store.save_version(replace(project.store.load_version("0.3"), name="1.1", encoder=1))
    sure = sorted(project.open - unsure)
    result = marked([{**answer("Sport")[0], "score": 0.99}], "1.1")
    for task in sure:
        project.annotate(task, "", result=result)
    with closing(project.pool()) as pool:
        pool.add_published("1.1", 2.0)
        pool.update(project.tasks.values(), CONFIG)
    said = command(*PROVED, "--dry-run")[1]
    assert "The model can label none of them by itself" in said
    assert "Up to 400 audit labels more would probably not change that much" in said
