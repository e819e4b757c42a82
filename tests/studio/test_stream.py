"""Items that arrive while people label: sent to the server, or as files in a watched folder."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from backend.types import Json
from tests.studio.bench import Bench, stories, until
from tests.studio.test_dataset import items_of, pool

# Where Label Studio keeps its data makes no difference here.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(fed_settings: dict[str, object]) -> dict[str, object]:
    return fed_settings


def send(bench: Bench, project: int, rows: object) -> tuple[int, Json]:
    url = f"{bench.server.url}/pool/{project}/items"
    answer = requests.post(url, json=rows, timeout=30)
    said: Json = answer.json()
    return answer.status_code, said


def named(rows: list[Json], name: str) -> list[Json]:
    return [{"id": f"{name}{place}", **row} for place, row in enumerate(rows)]


def dataset_of(bench: Bench, project: int) -> Json:
    found: Json = bench.state(project)["dataset"] or {}
    return found


def arrived(bench: Bench, project: int) -> int:
    return int((dataset_of(bench, project).get("arriving") or {}).get("arrived", 0))


def test_what_is_sent_is_added_and_within_a_budget_kept_for_people(bench: Bench) -> None:
    project = bench.empty_project()
    bench.connect(project)
    until("what is asked", lambda: send(bench, project, [7])[0] == 400)
    news = stories(140)
    rows: list[Any] = [*named(news[:20], "a"), {"id": "b", "other": 1}, {"story": "no id"}, 7]
    status, said = send(bench, project, rows)
    assert (status, said["accepted"]) == (201, 20)
    assert [one["place"] for one in said["refused"]] == [20, 21, 22]
    assert "shows nothing" in said["refused"][0]["why"]
    until("the first tasks", lambda: bench.ranks(project) == 20)
    assert sorted(items_of(bench, project).values()) == sorted(one["id"] for one in rows[:20])

    for _ in range(6):
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [task["data"]["topic"]])
        bench.until_learnt(project, task["id"])
    # In the first hour an hour's share of this: 15.
    status, told = pool(bench, "stream", "--project", str(project), "--labels-a-day", "360")
    assert status == 0, told
    until("the stream", lambda: dataset_of(bench, project).get("arriving") is not None)
    begun = bench.models / str(project) / "dataset" / "stream.json"
    until("its beginning", begun.exists)
    assert send(bench, project, named(news[20:], "c"))[1]["accepted"] == 120
    assert send(bench, project, named(news[20:30], "c"))[1]["accepted"] == 10, "a second time"
    until("all judged", lambda: arrived(bench, project) == 120)
    kept = int(dataset_of(bench, project)["arriving"]["kept"])
    assert 4 <= kept <= 26, "15 are expected"
    until("what is kept", lambda: len(items_of(bench, project)) == 20 + kept)
    assert set(Counter(items_of(bench, project).values()).values()) == {1}
    assert dataset_of(bench, project)["items"] == 140, "what is passed by stays in the dataset"


def test_new_files_in_a_watched_folder_are_added_but_those_that_are_damaged(
    bench: Bench, tmp_path: Path
) -> None:
    project = bench.empty_project()
    bench.connect(project)
    until("a mirror", lambda: bench.mirror_path(project).exists())
    folder = tmp_path / "news"
    folder.mkdir()
    lines = [json.dumps(one) for one in named(stories(30), "n")]
    (folder / "a.jsonl").write_text("\n".join(lines[:10]))
    numbered = ("--project", str(project))
    status, said = pool(bench, "add", str(folder), *numbered)
    assert status == 0, said
    status, said = pool(bench, "stream", *numbered, "--watch")
    assert status == 0 and "New files there are added" in said
    (folder / "b.jsonl").write_text("\n".join(lines[10:20]))
    until("the new file", lambda: dataset_of(bench, project).get("items") == 20)

    (folder / "c.jsonl").write_text(lines[20][:40])
    (folder / "d.jsonl").write_text(lines[21])
    until("the whole one", lambda: dataset_of(bench, project)["items"] == 21)
    assert "c.jsonl" in str(bench.state(project)["troubles"])
    (folder / "c.jsonl").write_text(lines[20])
    until("the file as it was meant", lambda: dataset_of(bench, project)["items"] == 22)
