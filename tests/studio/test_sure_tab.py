"""The Data Manager tab *Model is sure*, and what becomes of what a person accepts there."""

import pytest

from backend.queue.tabs import (
    FIRST_TITLE,
    SURE_TITLE,
    ensure_sure_tab,
    is_sure_version,
    remove_sure_tab,
    sure_version,
)
from backend.queue.undo import remove_predictions
from backend.studio.project import StudioProject
from backend.types import Json
from tests.studio.bench import Bench, choices, stories, until

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(ordered_settings: dict[str, object]) -> dict[str, object]:
    return ordered_settings


def predict(studio: StudioProject, version: str, topics: dict[int, str]) -> None:
    studio.import_predictions(
        [
            {"task": task, "result": choices([topic]), "score": 0.98, "model_version": version}
            for task, topic in topics.items()
        ]
    )


def sure_tab(studio: StudioProject) -> Json | None:
    tabs = (tab for tab in studio.tabs() if tab["data"].get("title") == SURE_TITLE)
    return next(tabs, None)


def shown(studio: StudioProject) -> set[int]:
    """The tasks that the tab shows, as the page asks for them."""
    tab = sure_tab(studio)
    assert tab is not None
    params = {"project": studio.number, "view": tab["id"], "page": 1, "page_size": 100}
    return {
        task["id"] for task in studio.session.json("GET", "/api/tasks/", params=params)["tasks"]
    }


def accept(studio: StudioProject, version: str) -> None:
    """Select all, and *Create Annotations From Predictions*, as the page sends it."""
    tab = sure_tab(studio)
    assert tab is not None
    body = {
        **{"project": str(studio.number), "model_version": version, "ordering": []},
        "selectedItems": {"all": True, "excluded": []},
        "filters": tab["data"]["filters"],
    }
    params = {"id": "predictions_to_annotations", "project": studio.number, "tabID": tab["id"]}
    studio.session.json("POST", "/api/dm/actions", params=params, json=body)


def test_it_is_never_the_first_tab(bench: Bench) -> None:
    """Whose order direct links follow: where a project has no tab, it gets both."""
    project = bench.connected(stories(30))
    studio = bench.studio.of(project)
    until("the first tab", studio.tabs)
    for tab in studio.tabs():
        studio.delete_tab(tab["id"])
    ensure_sure_tab(studio, "3.1")
    assert [tab["data"]["title"] for tab in studio.tabs()] == [FIRST_TITLE, SURE_TITLE]


def test_what_a_person_accepts_there_is_a_label_of_theirs(bench: Bench) -> None:
    project = bench.connected(stories(30))
    studio = bench.studio.of(project)
    topics = {task["id"]: task["data"]["topic"] for task in studio.tasks()}
    tasks = list(topics)
    sure = {task: topics[task] for task in tasks[:12]}
    predict(studio, sure_version("3.1"), sure)
    predict(studio, sure_version("13.1"), {task: topics[task] for task in tasks[12:15]})
    predict(studio, "3.12", {task: topics[task] for task in tasks[15:20]})
    before = [tab["id"] for tab in until("the first tab", studio.tabs)]
    ensure_sure_tab(studio, "3.1")
    assert [tab["id"] for tab in studio.tabs()][:-1] == before
    assert shown(studio) == set(sure), "and not what only contains its name"

    bench.submit({"id": tasks[0]}, ["tech"])
    assert shown(studio) == set(tasks[1:12]), "what somebody labels leaves the tab"
    accept(studio, sure_version("3.1"))
    assert shown(studio) == set()
    rows = {task["id"]: task["annotations"] for task in studio.these(tasks)}
    me = rows[tasks[0]][0]["completed_by"]
    assert [len(rows[task]) for task in tasks] == [1] * 12 + [0] * 18
    for task in tasks[1:12]:
        assert rows[task][0]["completed_by"] == me, "whose labels these are"
    until("all labels", lambda: bench.labels_known(project) == set(tasks[:12]))
    assert bench.state(project)["sources"] == [], "what the model said itself is no weak label"
    assert not [one for one in bench.state(project)["troubles"] if "sure" in one["sentence"]]

    ensure_sure_tab(studio, "13.1")
    assert shown(studio) == set(tasks[12:15]), "the same tab shows others"
    remove_sure_tab(studio)
    assert [tab["id"] for tab in studio.tabs()] == before
    remove_sure_tab(studio)
    assert list(remove_predictions(studio, [])) == ["deleted the predictions of 2 versions"]
    left = studio.model_versions().keys()
    assert "3.12" in left and not [name for name in left if is_sure_version(name)]
