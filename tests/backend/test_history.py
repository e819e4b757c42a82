import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.history import History, agreement, reached, read
from backend.settings import Settings
from model.head import Head
from model.store import Version

IDS = np.arange(100, 140)
VECTORS = np.repeat(np.eye(2, dtype=np.float32), 20, axis=0)


def head(turned: bool = False) -> Head:
    """Says a for the first twenty tasks and b for the rest; turned: the other way round."""
    weights = np.eye(2, dtype=np.float32)[::-1] if turned else np.eye(2, dtype=np.float32)
    nothing = np.zeros(2, np.float32)
    return Head("single", ("a", "b"), weights, nothing, nothing)


def version(name: str, labels: int, its_head: Head | None, low: float = 0.8) -> Version:
    one = {"value": 0.9, "low": low, "high": 0.95}
    validation: dict[str, Any] = {
        "examples": 30,
        **dict.fromkeys(("accuracy", "micro_f1", "macro_f1", "sample_f1"), one),
    }
    measured = validation if its_head else {}
    meta = {"labels": labels, "ranked": 10, "created_at": 1.0, "validation": measured}
    none = np.zeros(0, np.int64)
    return Version(name, 0, its_head, none, np.arange(30), none, meta)


def add(history: History, *versions: Version) -> None:
    for each in versions:
        history.add(each, IDS, VECTORS)


def kappas(folder: Path) -> list[float | None]:
    return [row["kappa"] for row in read(folder / "history.jsonl") if "kappa" in row]


def test_versions_are_compared_ten_labels_apart(tmp_path: Path) -> None:
    history = History(tmp_path)
    add(history, version("0.1", 20, head()), version("0.2", 29, head(turned=True)))
    assert kappas(tmp_path) == [None]
    add(history, version("0.3", 30, head()), version("0.4", 40, head(turned=True)))
    assert kappas(tmp_path) == [None, 1.0, -1.0]


def test_history_goes_on_after_a_restart(tmp_path: Path) -> None:
    add(History(tmp_path), version("0.1", 20, head()))
    add(History(tmp_path), version("0.2", 25, head()), version("0.3", 31, head()))
    assert kappas(tmp_path) == [None, 1.0]


def test_a_version_before_any_label_is_recorded_without_figures(tmp_path: Path) -> None:
    add(History(tmp_path), version("0.1", 0, None))
    (row,) = read(tmp_path / "history.jsonl")
    assert (row["labels"], row["measured"], row["kind"]) == (0, {}, None)
    assert reached(tmp_path, Settings()) == []


def test_half_a_line_is_left_out(tmp_path: Path) -> None:
    add(History(tmp_path), version("0.1", 20, head()))
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"version": "0.2", "lab')
    assert [row["version"] for row in read(tmp_path / "history.jsonl")] == ["0.1"]


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
def test_goals_are_told_when_they_are_reached(
    tmp_path: Path, settings: Settings, names: list[str]
) -> None:
    history = History(tmp_path)
    add(history, *(version(f"0.{n}", labels, head()) for n, labels in enumerate((20, 32, 45, 60))))
    assert [reason.name for reason in reached(tmp_path, settings)] == names


def test_an_exhausted_pool_is_told_unasked(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add_exhausted()  # before the first version there is nothing to say it of
    add(history, version("0.1", 20, head()))
    assert reached(tmp_path, Settings()) == []
    history.add_exhausted()
    history.add_exhausted()
    (reason,) = reached(tmp_path, Settings())
    assert reason.name == "pool_exhausted"
    assert len(list(read(tmp_path / "history.jsonl"))) == 2


def test_the_file_is_lines_of_json(tmp_path: Path) -> None:
    add(History(tmp_path), version("0.1", 20, head()))
    row = json.loads((tmp_path / "history.jsonl").read_text())
    assert row["measured"]["accuracy"] == {"value": 0.9, "low": 0.8, "high": 0.95, "examples": 30}
