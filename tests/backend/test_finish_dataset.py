"""`python -m backend finish` where the pool is a dataset: what is promised and written is about its
items. On a real server: tests/studio/test_dataset.py."""

import csv
import json
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from backend.__main__ import main
from backend.dataset.coverage import read_coverage
from backend.dataset.record import Record, folder_of, rows_of, vectors_of, write_record
from backend.folder.past import FILE as HISTORY
from backend.interface.content import key_of
from backend.mirror.finished import marked
from backend.mirror.identity import CREATED
from backend.mirror.items import META
from backend.mirror.pool import Pool
from backend.project.history import append, facts_of, reached
from backend.project.pin import pin
from backend.project.status import Served
from backend.settings import Settings
from backend.trainer.coverage import cover_items
from backend.trainer.messages import CoverItems
from backend.types import Json
from backend.web.pages.finishing import finishing_of
from backend.words import roughly
from model.choosing.audit import draw
from model.dataset.parts import Item, RowParts, VectorParts
from model.dataset.whole import Numbering, PartVectors
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from model.storage.vectors import content_key
from model.types import EncoderSpec, Ints
from tests.backend.test_finish import CONFIG, NOTHING, PROVED, XML, answer, topic_of
from tests.backend.test_trainer import Heard, subject_of
from tests.backend.web import Answer, Web

ITEMS, AUDITS, PART = 1000, 60, 300
"""Items, in parts of 300; and those with the lowest lots, which are labelled."""
SIZES = (300, 300, 300, 100)
NUMBERS = np.arange(ITEMS)
NAMES = [f"{number:04d}" for number in NUMBERS.tolist()]
TICKETS = np.array([content_key(name) for name in NAMES])
BY_LOT = np.argsort(draw(TICKETS, 0))
LABELLED = BY_LOT[:AUDITS]
HARD = NUMBERS[NUMBERS % 10 >= 7]
"""Of these the model is unsure. Of all others it is sure, and right."""
OPEN_TASKS = np.setdiff1d(HARD, LABELLED)[:40]
"""The tasks that annotators have before them: those that the model asked for."""
EASY_LEFT = np.setdiff1d(NUMBERS, [*HARD, *LABELLED])

Command = Callable[..., tuple[int, str]]


def parts_of(numbers: Ints) -> list[Ints]:
    return [numbers[start : start + PART] for start in range(0, len(numbers), PART)]


class Project:
    """Project 7: version 0.3 is served, and its pool is a dataset, all of it encoded."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "7")
        weights = 20 * np.eye(2, dtype=np.float32)
        self.head = Head("single", ("Sport", "Tech"), weights, np.zeros(2), np.zeros(2))
        self.add_encoder(0, "0.3", at=1.0)
        rows = RowParts(rows_of(self.store.folder))
        for part, numbers in enumerate(parts_of(NUMBERS)):
            rows.write(part, [self._item(number) for number in numbers.tolist()])
        write_record(self.store.folder, Record("s3://b/news", "number", ITEMS, 4, 0, 1.0))
        self.encode(0)
        self.tasks = {
            number: {**self._task(task, number), "annotations": []}
            for task, number in enumerate([*LABELLED.tolist(), *OPEN_TASKS.tolist()], 1)
        }
        for number in LABELLED.tolist():
            wrong = number in HARD and number % 2
            self.annotate(number, answer(topic_of(number + 1 if wrong else number)))
        self.sync()

    def _item(self, number: int) -> Item:
        data = {"number": NAMES[number], "text": f"text {number}", "labels": [number]}
        return Item(NAMES[number], int(TICKETS[number]), data)

    def _task(self, task: int, number: int) -> Json:
        return {"id": task, "data": self._item(number).data, "meta": {META: NAMES[number]}}

    def annotate(self, number: int, result: list[Json], **values: object) -> None:
        made = {"id": number, "result": result, "was_cancelled": False, "completed_by": 1}
        self.tasks[number]["annotations"] = [made | values]

    def add_encoder(self, encoder: int, version: str, at: float) -> None:
        """A version, which is served from then on."""
        with self.store.new_encoder(encoder) as aside:
            write_encoder_meta(aside, EncoderMeta("base", "base", 16, 2))
        facts = VersionFacts(created_at=at)
        self.store.save_version(
            Version(version, encoder, self.head, NOTHING, NOTHING, NOTHING, facts)
        )
        with closing(self.pool()) as pool:
            pool.add_published(version, at)

    def encode(self, encoder: int, parts: int = 4) -> None:
        """The first parts."""
        into = VectorParts(vectors_of(self.store.folder, encoder), 2)
        for part, numbers in list(enumerate(parts_of(NUMBERS)))[:parts]:
            near, far = np.where(np.isin(numbers, HARD), 0.52, 1.0), np.zeros(len(numbers))
            far[np.isin(numbers, HARD)] = 0.48
            pairs = np.stack([near, far], axis=1)
            pairs[numbers % 2 == 0] = pairs[numbers % 2 == 0, ::-1]
            into.write(part, pairs, [None] * len(numbers))

    def sync(self) -> None:
        """The mirror knows the tasks, and the server has encoded them."""
        with closing(self.pool()) as pool:
            pool.update(self.tasks.values(), CONFIG)
            pool.keep_only({task["id"] for task in self.tasks.values()})
            pool.remember(CREATED, "2026")
        numbers = np.array(list(self.tasks))
        keys = np.array([key_of((f"text {number}",)) for number in numbers.tolist()])
        vectors = VectorParts(vectors_of(self.store.folder, 0), 2)
        every = PartVectors(vectors, Numbering.of(SIZES), NUMBERS)
        self.store.vectors(0).append(keys, every[numbers])

    def pool(self) -> Pool:
        return Pool(self.store.folder / "pool.sqlite")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def command(
    project: Project,
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Run it for project 7: its exit status, and all that it said."""
    told = {"id": 7, "created_at": "2026", "label_config": XML, "model_version": "0.3"}
    headers = {"Content-Type": "application/json"}
    web.answers["/api/projects/7/"] = Answer(json.dumps(told).encode(), 200, headers)
    for name, value in {
        "MODEL_DIR": str(project.store.folder.parent),
        "LABEL_STUDIO_URL": web.url,
        "LABEL_STUDIO_API_KEY": "token",
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["backend", "finish", "--project", "7", *arguments])
        status = main()
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def test_the_promise_is_about_the_dataset_and_not_about_the_tasks(
    project: Project, command: Command
) -> None:
    """The open tasks are the hard items, and of these nothing can be promised."""
    status, said = command(*PROVED, "--dry-run")
    assert status == 0, said
    left, stand = ITEMS - AUDITS, len(EASY_LEFT)
    assert f"Version 0.3 (served), {left} items of the dataset without a label, wanted" in said
    assert f"The model can label {stand} of them by itself" in said
    sample = AUDITS - np.isin(LABELLED, HARD).sum()
    assert f"{sample} audit labels prove it, none of them wrong" in said
    assert f"{left - stand} stay with people" in said
    assert f"{AUDITS} further items are left out, because people labelled" in said
    assert "--certify" not in said
    (folder_of(project.store.folder) / "dataset.json").unlink()
    said = command(*PROVED, "--dry-run")[1]
    assert f"{len(OPEN_TASKS)} open tasks" in said
    assert "The model can label none of them by itself" in said


def test_the_page_says_of_the_dataset_what_the_command_does(project: Project) -> None:
    folder, goal = project.store.folder, (0.9, 0.8)
    settings = Settings(goal_precision=goal[0], goal_confidence=goal[1], goal_coverage=0.7)
    subject = subject_of(folder, XML, EncoderSpec(("text",), "base", "", 16), settings)
    told = Heard()
    facts = cover_items(
        CoverItems(subject, "0.3", *goal, audit_share=0.1, empty_is_none=False), told
    )
    left = ITEMS - AUDITS
    assert facts == {"version": "0.3", "coverage": pytest.approx(len(EASY_LEFT) / left)}
    assert len(told.shares) >= len(SIZES), "other work is let in between two parts"
    covered = read_coverage(folder, *goal)
    assert covered is not None
    version = project.store.load_version("0.3")
    served = Served(version, CONFIG, XML, project.store)
    said = finishing_of(served, settings, "somewhere else", covered)
    assert said["sentence"].startswith(
        f"With these {AUDITS} labels the model can label {roughly(len(EASY_LEFT) / left)} of the "
        f"remaining {left} items at 90 % precision (80 % confidence)"
    )
    assert said["promises"][0]["question"] == CONFIG.questions[0].from_name
    assert read_coverage(folder, 0.9, 0.9) is None, "it says nothing of another goal"
    append(folder / HISTORY, facts_of(version))
    assert [one.name for one in reached(folder, settings)] == ["coverage_reached"]


def test_files_tell_each_item_without_a_label_once(command: Command, tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        status, said = command(*PROVED, "--out", str(tmp_path / name))
        assert status == 0, said
        assert f"{ITEMS - AUDITS} items are in {tmp_path / name}" in said
        assert not (tmp_path / f"{name}.unfinished").exists()
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    expected = np.setdiff1d(NUMBERS, LABELLED).tolist()
    assert [row["id"] for row in rows] == [NAMES[number] for number in expected]
    assert [row["data"]["text"] for row in rows] == [f"text {number}" for number in expected]
    assert all(row["labels"] == [topic_of(int(row["id"]))] for row in rows)
    standing = [row["id"] for row in rows if row["stands"]]
    assert standing == [NAMES[number] for number in EASY_LEFT.tolist()]
    assert {row["version"] for row in rows} == {"0.3"}
    with (tmp_path / "a.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == [
        *("id", "number", "text", "data.labels"),
        *("labels", "probabilities", "standing", "stands", "version"),
    ]
    assert [row["id"] for row in table] == [row["id"] for row in rows]
    assert [row["data.labels"] for row in table] == [f"[{number}]" for number in expected]
    assert [row["stands"] == "true" for row in table] == [row["stands"] for row in rows]
    columns = parquet.read_table(tmp_path / "a.parquet")
    assert columns.column_names == list(table[0])
    assert columns["id"].to_pylist() == [row["id"] for row in rows]
    assert columns["labels"].to_pylist() == [row["labels"] for row in rows]


def test_a_column_of_ids_with_our_name_is_told_once(
    project: Project, command: Command, tmp_path: Path
) -> None:
    rows = RowParts(rows_of(project.store.folder))
    for part, numbers in enumerate(parts_of(NUMBERS)):
        renamed = [replace(one, data={"id": one.id, "text": "a"}) for one in rows.items(part)]
        rows.write(part, renamed)
        assert len(renamed) == len(numbers)
    write_record(project.store.folder, Record("s3://b/news", "id", ITEMS, 4, 0, 1.0))
    assert command(*PROVED, "--out", str(tmp_path / "a.csv"))[0] == 0
    with (tmp_path / "a.csv").open(newline="") as file:
        assert next(csv.reader(file))[:3] == ["id", "text", "labels"]


def test_what_people_skipped_or_deleted_is_left_out(
    project: Project, command: Command, tmp_path: Path
) -> None:
    skipped, deleted = OPEN_TASKS[:2].tolist()
    project.annotate(skipped, [], was_cancelled=True)
    del project.tasks[deleted]
    project.sync()
    status, said = command(*PROVED, "--out", str(tmp_path / "a.jsonl"))
    assert status == 0, said
    assert f"{AUDITS + 2} further items are left out" in said
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    gone = {*LABELLED.tolist(), skipped, deleted}
    assert [int(row["id"]) for row in rows] == sorted(set(NUMBERS.tolist()) - gone)


def test_what_the_model_annotated_is_promised_about_and_not_told_again(
    project: Project, command: Command, tmp_path: Path
) -> None:
    """An earlier finish did, before the tasks came to belong to a dataset. A task that is no item
    is none of it."""
    by_model = int(OPEN_TASKS[0])
    region = {**answer(topic_of(by_model))[0], "score": 0.99}
    project.annotate(by_model, marked([region], "0.3"))
    project.tasks[-1] = {"id": 5000, "data": {"text": "other"}, "annotations": []}
    project.annotate(-1, answer("Tech"))
    project.sync()
    status, said = command(*PROVED, "--out", str(tmp_path / "a.jsonl"))
    assert status == 0, said
    assert "1 more tasks are annotated by the model already" in said
    assert f"{AUDITS} further items are left out" in said
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    gone = {*LABELLED.tolist(), by_model}
    assert [int(row["id"]) for row in rows] == sorted(set(NUMBERS.tolist()) - gone)


def test_what_is_not_encoded_stays_with_people(project: Project, command: Command) -> None:
    vectors = VectorParts(vectors_of(project.store.folder, 0), 2)
    broken = PartVectors(vectors, Numbering.of(SIZES), NUMBERS)[NUMBERS[:PART]]
    place = int(EASY_LEFT[0])
    broken[place] = np.nan
    reasons = [None if number != place else "it is broken" for number in range(PART)]
    vectors.write(0, broken, reasons)
    (vectors_of(project.store.folder, 0) / "00003.parquet").unlink()
    status, said = command(*PROVED, "--dry-run")
    assert status == 0, said
    last = NUMBERS[3 * PART :]
    unencoded = len(np.setdiff1d(last, LABELLED))
    assert f"({unencoded} have no vector yet, 1 cannot be read)" in said
    stand = len(np.setdiff1d(EASY_LEFT, last)) - 1
    assert f"The model can label {stand} of them by itself" in said
    assert f"Version 0.3 (served), {ITEMS - AUDITS} items" in said


def test_the_version_is_one_whose_encoder_has_encoded_most(
    project: Project, command: Command
) -> None:
    """After a deep round the new encoder has encoded nothing yet, and later a part."""
    project.add_encoder(1, "1.1", at=2.0)
    assert "that of the served 1.1 0 %)" in command(*PROVED, "--dry-run")[1]
    project.encode(1, parts=1)
    status, said = command(*PROVED, "--dry-run")
    assert status == 0, said
    why = "its encoder has encoded 100 % of the dataset, that of the served 1.1 25 %"
    assert f"Version 0.3 ({why})" in said
    assert "Version 1.1 (as asked)" in command(*PROVED, "--dry-run", "--version", "1.1")[1]
    pin(project.store, project.store.load_version("1.1"))
    assert "Version 1.1 (pinned)" in command(*PROVED, "--dry-run")[1]
    pin(project.store, project.store.load_version("0.3"))
    project.encode(1)
    assert "Version 0.3 (pinned)" in command(*PROVED, "--dry-run")[1]


def test_audit_items_that_were_learnt_from_prove_nothing(
    project: Project, command: Command
) -> None:
    """Versions name tasks, and audit items are drawn by the hash of their ids."""
    version = project.store.load_version("0.3")
    learnt = np.array([project.tasks[number]["id"] for number in LABELLED[:5].tolist()])
    project.store.save_version(replace(version, name="0.4", training=learnt))
    status, said = command(*PROVED, "--version", "0.4")
    assert status == 2
    assert "has learnt from 5 tasks that are audit tasks" in said


def test_without_a_target_the_split_is_told_and_how_to_write_it(
    project: Project, command: Command
) -> None:
    status, said = command(*PROVED)
    assert status == 0, said
    assert "Nothing is written. To write it into a file: --out FILE" in said
    assert not (project.store.folder / "finish.sqlite").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--to", "predictions"), "--to predictions has nothing to write them on. Write a file"),
        (("--to", "tab", "--dry-run"), "--to tab has nothing to write them on"),
        (("--to", "annotations", "--as", "a@b.c"), "--out answers.parquet"),
        (("--certify", "40"), "cannot be asked for first where the pool is a dataset"),
        (("--out", "a.json"), "Label Studio's own format is for tasks"),
        (("--out", "a.xlsx"), "must end in one of .jsonl, .csv, .parquet, which"),
        (("--out", "/tmp"), "must end in one of"),
        (("--undo",), "There is nothing to take back"),
    ],
)
def test_what_cannot_be_done_with_a_dataset_is_said(
    command: Command, arguments: tuple[str, ...], sentence: str
) -> None:
    status, said = command(*arguments)
    assert status == 2
    assert sentence in said


def test_without_vectors_nothing_is_said_of_the_items(project: Project, command: Command) -> None:
    for path in vectors_of(project.store.folder, 0).iterdir():
        path.unlink()
    status, said = command(*PROVED)
    assert status == 2
    assert "Nothing of the dataset s3://b/news is encoded by the encoder of version 0.3" in said


def test_without_a_version_there_is_nothing_to_label_with(
    project: Project, command: Command
) -> None:
    project.store.delete_version("0.3")
    status, said = command(*PROVED)
    assert status == 2
    assert "has no version yet" in said


def test_a_dataset_that_goes_meanwhile_leaves_no_file(
    project: Project, command: Command, tmp_path: Path
) -> None:
    (rows_of(project.store.folder) / "00002.parquet").unlink()
    status, said = command(*PROVED, "--out", str(tmp_path / "a.csv"))
    assert status == 2
    assert "00002.parquet, a part of the dataset, cannot be read" in said
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_a_full_disk_leaves_no_half_file(command: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.unfinished").symlink_to("/dev/full")
    status, said = command(*PROVED, "--out", str(tmp_path / name))
    assert status == 2
    assert "The disk is full" in said
    assert not (tmp_path / name).exists()
    assert not (tmp_path / f"{name}.unfinished").is_symlink()
    assert command(*PROVED, "--out", str(tmp_path / name))[0] == 0
    status, said = command(*PROVED, "--out", str(tmp_path / name))
    assert status == 2
    assert "exists; choose another name" in said
