from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.dataset.record import Record, write_record, write_tickets
from backend.folder.past import FILE, past_of, rows_in
from backend.mirror.items import META
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.project.history import History, Outside, agreement, reached, reasons
from backend.project.round import Round
from backend.settings import Settings
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import Version
from model.storage.vectors import content_key
from model.types import Bools

IDS = np.arange(100, 140)
HALVES = np.repeat(np.eye(2, dtype=np.bool_), 20, axis=0)


def head(labels: tuple[str, ...]) -> Head:
    nothing = np.zeros(2, np.float32)
    return Head("single", labels, np.eye(2, dtype=np.float32), nothing, nothing)


def played(
    name: str,
    labels: int,
    answers: Bools | None = HALVES,
    classes: tuple[str, ...] = ("a", "b"),
    **known: Any,
) -> Round:
    """A round whose version gives the tasks IDS these labels."""
    one = {"value": 0.9, "low": 0.8, "high": 0.95}
    figures = dict.fromkeys(("accuracy", "micro_f1", "macro_f1", "sample_f1"), one)
    validation = {} if answers is None else {"examples": 30, **figures}
    facts = VersionFacts(created_at=1.0, labels=labels, open=10, validation=validation)
    facts = replace(facts, **known)
    none = np.zeros(0, np.int64)
    its_head = None if answers is None else head(classes)
    version = Version(name, 0, its_head, none, np.arange(30), none, facts)
    return Round(version, [], 0, IDS, answers)


def add(history: History, *rounds: Round) -> None:
    with closing(history):
        for each in rounds:
            history.add(each)


def kappas(folder: Path) -> list[float | None]:
    return [
        row["kappa"] for row in rows_in((folder / "history.jsonl").read_bytes()) if "kappa" in row
    ]


def test_versions_are_compared_ten_labels_apart(tmp_path: Path) -> None:
    history = History(tmp_path)
    add(history, played("0.1", 20), played("0.2", 29, ~HALVES))
    assert kappas(tmp_path) == [None]
    add(history, played("0.3", 30), played("0.4", 40, ~HALVES))
    assert kappas(tmp_path) == [None, 1.0, -1.0]


def test_history_goes_on_after_a_restart(tmp_path: Path) -> None:
    add(History(tmp_path), played("0.1", 20))
    add(History(tmp_path), played("0.2", 25), played("0.3", 31))
    assert kappas(tmp_path) == [None, 1.0]


def test_a_pinned_head_is_not_compared_with_itself(tmp_path: Path) -> None:
    history = History(tmp_path)
    add(history, *(played(f"0.{n}", 20 * n, head_of="0.1") for n in range(2, 8)))
    assert kappas(tmp_path) == []
    assert reached(tmp_path, Settings()) == []


def test_other_labels_begin_a_new_history(tmp_path: Path) -> None:
    """The same labels in another order: the answers' columns stand for others."""
    history = History(tmp_path)
    stable = [played(f"0.{n}", 20 * n) for n in range(1, 7)]
    add(history, *stable)
    assert [reason.name for reason in reached(tmp_path, Settings())] == ["predictions_stable"]
    add(history, played("0.8", 200, classes=("b", "a")))
    assert kappas(tmp_path)[-1] is None
    assert reached(tmp_path, Settings()) == []


def test_after_labels_were_deleted_versions_are_compared_again(tmp_path: Path) -> None:
    history = History(tmp_path)
    add(history, played("0.1", 90), played("0.2", 30), played("0.3", 41))
    assert kappas(tmp_path) == [None, 1.0, 1.0]


def test_a_version_before_any_label_is_recorded_without_figures(tmp_path: Path) -> None:
    add(History(tmp_path), played("0.1", 0, None))
    (row,) = rows_in((tmp_path / "history.jsonl").read_bytes())
    assert (row["labels"], row["measured"], row["kind"]) == (0, {}, None)
    assert reached(tmp_path, Settings()) == []


def test_half_a_line_costs_no_other(tmp_path: Path) -> None:
    add(History(tmp_path), played("0.1", 20))
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"version": "0.2", "lab')
    add(History(tmp_path), played("0.3", 22))
    assert [row["version"] for row in rows_in((tmp_path / "history.jsonl").read_bytes())] == [
        "0.1",
        "0.3",
    ]


def test_versions_are_compared_on_the_tasks_that_both_know() -> None:
    first, second = np.eye(2) > 0, np.array([[False, True], [True, False], [True, False]])
    assert agreement(np.array([7, 8]), first, np.array([8, 9, 7]), second, "single") == 1.0
    assert agreement(np.array([7, 8]), first, np.array([1, 2, 3]), second, "single") is None


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (Settings(), ["predictions_stable"]),
        (Settings(goal_kappa=0.0), []),
        (Settings(goal_kappa=0.0, goal_score=0.8), ["target_reached"]),
        (Settings(goal_kappa=0.0, goal_score=0.81), []),
        (Settings(goal_kappa=0.0, goal_labels=60), ["budget_used"]),
        (Settings(goal_kappa=0.0, goal_rounds=4), ["last_round"]),
        (Settings(goal_kappa=0.0, goal_rounds=5), []),
    ],
)
def test_goals_are_reported_when_they_are_reached(
    tmp_path: Path, settings: Settings, names: list[str]
) -> None:
    add(History(tmp_path), *(played(f"0.{n}", n) for n in (20, 32, 45, 60)))
    assert [reason.name for reason in reached(tmp_path, settings)] == names


def test_an_exhausted_pool_is_reported_unasked(tmp_path: Path) -> None:
    add(History(tmp_path), played("0.1", 20), played("0.2", 21, open=0))
    (reason,) = reached(tmp_path, Settings())
    assert reason.name == "pool_exhausted"


def test_while_items_of_the_dataset_are_left_the_pool_is_not_exhausted(tmp_path: Path) -> None:
    """Labelling was said to be over whenever people were faster than the next import; and the share
    of the tasks that the model could label was taken for one of a dataset that was added."""
    settings = Settings(goal_kappa=0.0, goal_coverage=0.5)
    easy = {"coverage": 0.9, "precision": 0.95, "confidence": 0.9}
    add(History(tmp_path), played("0.1", 20), played("0.2", 21, open=0, outlook=easy))
    assert len(reached(tmp_path, settings)) == 2
    write_tickets(tmp_path, np.sort([content_key(one) for one in "ab"]))
    write_record(tmp_path, Record("s3://b/news", "id", 2, 1, 0, 1.0))
    with closing(Pool(tmp_path / MIRROR)) as pool:
        pool.items.put({"id": 1, "meta": {META: "a"}})
        assert reached(tmp_path, settings) == []
        pool.items.put({"id": 2, "meta": {META: "b"}})
    (reason,) = reached(tmp_path, settings)
    assert reason.sentence == "The pool is exhausted: no item of the dataset is left to label."


def test_answers_that_are_stable_on_the_tasks_are_not_said_to_be_so_on_the_dataset(
    tmp_path: Path,
) -> None:
    add(History(tmp_path), *(played(f"0.{n}", n) for n in (20, 32, 45, 60)))
    (reason,) = reasons(past_of(tmp_path / FILE), Settings(), outside=Outside(9))
    assert reason.sentence.endswith("on the items of the dataset that are tasks here.")


def test_tensorboard_gets_a_point_a_round(tmp_path: Path) -> None:
    add(History(tmp_path), played("0.1", 20))
    assert len(list((tmp_path / "tensorboard" / "rounds").glob("events*"))) == 1


def test_what_labelling_took_is_kept_and_ends_the_budget(tmp_path: Path) -> None:
    """A round of an earlier release counts as none: it ends nothing."""
    effort = {"seconds": 7200.0, "annotations": 150, "timed": 150}
    settings = Settings(goal_hours=2.0, goal_cost=12.0, label_price=0.08)
    add(History(tmp_path), played("0.1", 20))
    assert reached(tmp_path, settings) == []
    add(History(tmp_path), played("0.2", 140, effort=effort))
    found = [reason.name for reason in reached(tmp_path, settings)]
    assert found == ["hours_used", "cost_used"]
    assert reached(tmp_path, replace(settings, goal_hours=2.1, goal_cost=12.1)) == []


def test_where_no_annotation_has_a_time_no_hours_are_used(tmp_path: Path) -> None:
    effort = {"seconds": 0.0, "annotations": 150, "timed": 0}
    add(History(tmp_path), played("0.1", 150, effort=effort))
    (row,) = rows_in((tmp_path / "history.jsonl").read_bytes())
    assert (row["hours"], row["paid"]) == (None, 150)
    assert reached(tmp_path, Settings(goal_hours=0.1)) == []
