"""The queue of a real Label Studio is the model's order, whatever happens around it."""

import pytest
import requests

from backend.dev import local
from backend.studio.api import Studio
from model.storage.store import Store, Version
from tests.studio.bench import Bench, stories, until


@pytest.mark.every_release
def test_labels_in_order_without_asking_the_backend(bench: Bench) -> None:
    """Every `next` is the lowest score of the active version, and none of them makes Label Studio
    call the backend: an annotator never waits for us."""
    project = bench.connected(stories(200))
    calls = ("/health", "/setup", "/predict")
    out_of_order = asked = 0
    for _ in range(12):
        expected = {bench.studio.of(project).lowest_scored()}
        before = bench.requests_seen(*calls)
        task = bench.studio.of(project).next_task()
        asked += bench.requests_seen(*calls) - before
        expected.add(bench.studio.of(project).lowest_scored())
        assert task is not None
        out_of_order += task["id"] not in expected
        bench.submit(task, [task["data"]["topic"]])
        bench.until_learnt(project, task["id"])
    assert (out_of_order, asked) == (0, 0)
    version = bench.version(project)
    assert version is not None and version.head is not None
    assert len(version.validation) == 1, "one task in ten is drawn for the audit"
    best = bench.studio.of(project).next_task()
    assert best is not None
    prediction = best["predictions"][0]
    assert prediction["model_version"] == bench.served(project)
    assert prediction["result"][0]["type"] == "choices", "the task carries a pre-annotation"


def test_two_annotators_never_get_the_same_task(
    bench: Bench, label_studio: local.LocalProcess
) -> None:
    project = bench.connected(stories(60))
    second = Studio(label_studio.url, _second_user(label_studio.url))
    seen: list[int] = []
    for _ in range(4):
        mine, theirs = bench.studio.of(project).next_task(), second.of(project).next_task()
        assert mine is not None and theirs is not None
        seen += [mine["id"], theirs["id"]]
        bench.submit(mine, [mine["data"]["topic"]])
        bench.submit(theirs, [theirs["data"]["topic"]], second)
        bench.until_learnt(project, theirs["id"])
    assert len(seen) == len(set(seen))


@pytest.mark.every_release
def test_what_settings_pages_overwrite_is_put_right(bench: Bench) -> None:
    """A stale settings page writes back an old version; a click changes the sampling mode."""
    project = bench.connected(stories(40))
    bench.studio.of(project).update(model_version="", sampling="Sequential sampling")

    def is_right() -> bool:
        seen = bench.studio.of(project).describe()
        return (seen["model_version"], seen["sampling"]) == (
            bench.served(project),
            "Uncertainty sampling",
        )

    until("the order restored", is_right)


def test_a_deleted_version_is_written_again(bench: Bench) -> None:
    """Settings > Predictions lets people delete the version that is being served."""
    project = bench.connected(stories(40))
    lost = bench.served(project)
    bench.studio.of(project).delete_model_version(lost)
    until("a new version", lambda: bench.served(project) != lost)
    until(
        "Label Studio following it",
        lambda: bench.studio.of(project).describe()["model_version"] == bench.served(project),
    )


@pytest.mark.every_release
def test_skips_changes_and_deletions_reach_the_model(bench: Bench) -> None:
    project = bench.connected(stories(40))
    tasks = list(bench.studio.of(project).tasks())[:4]
    annotation = bench.submit(tasks[0], ["tech"])
    bench.submit(tasks[1], ["sports"])
    bench.until_learnt(project, tasks[1]["id"])
    _call(
        bench,
        "POST",
        f"/api/tasks/{tasks[2]['id']}/annotations/",
        {"result": [], "was_cancelled": True},
    )
    bench.submit(tasks[3], [])
    until("the skip", lambda: _version(bench, project).facts.skipped == 1)
    until("the empty result", lambda: _version(bench, project).facts.empty == 1)
    assert bench.labels_known(project) == {tasks[0]["id"], tasks[1]["id"]}
    assert tasks[2]["id"] not in _version(bench, project).shortlist

    _call(bench, "DELETE", f"/api/annotations/{annotation['id']}/")
    bench.until_forgotten(project, tasks[0]["id"])
    _call(bench, "DELETE", f"/api/tasks/{tasks[1]['id']}/")
    bench.until_forgotten(project, tasks[1]["id"])
    assert bench.mirror(project, "SELECT count(*) FROM task") == [(39,)]


def test_new_tasks_join_the_order(bench: Bench) -> None:
    project = bench.connected(stories(40))
    bench.studio.of(project).import_tasks([{"story": "A striker scores twice in the cup final."}])
    until("the new task in the order", lambda: bench.ranks(project) == 41)


@pytest.mark.every_release
def test_first_tab_shows_the_same_order(bench: Bench) -> None:
    """Links other than Label All Tasks follow the first Data Manager tab."""
    project = bench.connected(stories(40))
    tab = until("the tab", lambda: bench.studio.of(project).tabs())[0]["data"]
    assert tab["ordering"] == ["tasks:predictions_score"]
    assert tab["filters"]["items"][0]["filter"] == "filter:tasks:total_annotations"
    assert "tasks:predictions_score" not in tab["hiddenColumns"]["explore"]


def test_after_all_tasks_were_deleted_the_first_tab_is_ordered_again(bench: Bench) -> None:
    """Label Studio deletes the tabs with the tasks."""
    project = bench.connected(stories(40))
    action = {"id": "delete_tasks", "project": project}
    everything = {"selectedItems": {"all": True, "excluded": []}}
    bench.studio.session.call("POST", "/api/dm/actions", params=action, json=everything)
    until("an empty mirror", lambda: bench.mirror(project, "SELECT * FROM task") == [])
    bench.studio.of(project).import_tasks(stories(20))

    def is_ordered() -> bool:
        tabs = bench.studio.of(project).tabs()
        return bool(tabs) and tabs[0]["data"].get("ordering") == ["tasks:predictions_score"]

    until("the tab", is_ordered)


def test_when_all_is_labelled_a_deleted_version_makes_no_new_ones(bench: Bench) -> None:
    """None could be written, and each look would have made another."""
    project = bench.connected(stories(3))
    for task in list(bench.studio.of(project).tasks()):
        bench.submit(task, ["tech"])
    everything = f"project {project}: no task is left to label"
    until("the last label", lambda: everything in bench.server.log.read_text(errors="replace"))
    bench.studio.of(project).delete_model_version(bench.served(project))
    store, seen = Store(bench.models / str(project)), set[str]()
    for number in range(4):  # at each of these it looks at the project
        title = f"Look {number}"
        bench.studio.of(project).update(title=title)
        until("a look", lambda: bench.state(project)["title"] == title)  # noqa: B023
        seen |= set(store.version_names()[-1:])
    assert len(seen) <= 2, "one after the deletion at most"


def _second_user(url: str) -> str:
    """Sign up a colleague the way a person does, and return their token."""
    session = requests.Session()
    page = session.get(f"{url}/user/signup/", timeout=30)
    form = {
        "email": "second@example.com",
        "password": local.PASSWORD,
        "csrfmiddlewaretoken": session.cookies["csrftoken"],
        "allow_newsletters": "false",
    }
    assert page.status_code == 200
    session.post(f"{url}/user/signup/", data=form, headers={"Referer": url}, timeout=30)
    token = session.get(f"{url}/api/current-user/token", timeout=30).json()["token"]
    return str(token)


def _call(bench: Bench, method: str, path: str, body: object = None) -> None:
    headers = {"Authorization": f"Token {local.TOKEN}"}
    answer = requests.request(
        method, bench.studio.url + path, json=body, headers=headers, timeout=30
    )
    answer.raise_for_status()


def _version(bench: Bench, project: int) -> Version:
    version = bench.version(project)
    assert version is not None, "no version is served"
    return version
