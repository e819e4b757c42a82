"""What is kept of a long history, and that it is what the whole one says."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from backend.folder.past import MOST, NEWEST, Past, past_of
from backend.project.history import append, reasons
from backend.settings import Settings
from backend.types import Json


def row(number: int, labels: int, classes: tuple[str, ...] = ("a", "b"), **more: object) -> Json:
    one = {"value": labels / 1e5, "low": 0.1, "high": 0.9, "examples": 30}
    return {
        **{"version": f"0.{number}", "created_at": float(number), "labels": labels},
        **{"open_tasks": 5, "kind": "single", "classes": list(classes)},
        **{"measured": {"accuracy": one}, **more},
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def written(path: Path, rows: list[Json]) -> Past:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return past_of(path)


def test_a_long_history_is_thinned_and_still_says_the_same(path: Path) -> None:
    """At 20,000 versions the status page took 1.8 s, and a browser asks for it every 2 s."""
    rows = [row(n, n) for n in range(1, 20_001)]
    for number in (50, 3_000, 19_000):
        rows[number - 1]["kappa"] = 0.99
    past = written(path, rows)
    assert past.count == 20_000
    assert past.newest == rows[-NEWEST:]
    assert len(past.rows) <= MOST
    assert past.rows[0] == rows[0]
    assert [one["version"] for one in past.rows if "kappa" in one] == ["0.50", "0.3000", "0.19000"]
    labels = [one["labels"] for one in past.rows]
    steps = [later - first for first, later in pairwise(labels)]
    assert max(steps) <= 0.01 * 20_000 + 2, "no gap that a curve would show"
    (rounds,) = reasons(past, Settings(goal_kappa=0.0, goal_rounds=20_000))
    assert rounds.sentence == "The last round is done: 20000 of 20000 rounds."
    assert reasons(past, Settings(goal_kappa=0.98))[0].name == "predictions_stable"


def test_it_is_read_on_from_where_it_was_read_last(path: Path) -> None:
    written(path, [row(1, 1), row(2, 2)])
    append(path, row(3, 3))
    with path.open("a") as file:
        file.write('{"version": "0.4", "lab')
    assert [one["version"] for one in past_of(path).rows] == ["0.1", "0.2", "0.3"]
    append(path, row(5, 5))
    assert [one["version"] for one in past_of(path).rows] == ["0.1", "0.2", "0.3", "0.5"]


def test_another_file_in_its_place_is_read_from_the_beginning(path: Path) -> None:
    """What was learnt about another project of the same number is set aside."""
    written(path, [row(1, 1), row(2, 2)])
    path.rename(path.with_name("old"))
    assert past_of(path) == Past([], 0, [], None)
    assert [one["version"] for one in written(path, [row(7, 7)]).rows] == ["0.7"]


@pytest.mark.parametrize(
    "later", [row(3, 20, ("a", "c")), row(3, 19), {**row(3, 20), "kind": "multiple"}]
)
def test_other_labels_and_fewer_labels_begin_anew(path: Path, later: Json) -> None:
    past = written(path, [row(1, 10, kappa=None), row(2, 20), later])
    assert (past.rows, past.count) == ([later], 1)
    assert [one["version"] for one in past.newest] == ["0.1", "0.2", "0.3"]
    assert past.compared is not None and past.compared["version"] == "0.1"


def test_damaged_lines_cost_no_others(path: Path) -> None:
    first, last = (json.dumps(row(n, n)).encode() for n in (1, 3))
    path.write_bytes(b"\n".join([first, b"\xff\xfe", b"12", b'{"version": "0.2"}', last, b""]))
    assert [one["version"] for one in past_of(path).rows] == ["0.1", "0.3"]
