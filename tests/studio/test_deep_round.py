"""The deep round: it comes by itself, on request, and whole after a power cut."""

import os
import signal
from pathlib import Path

import pytest
import requests

from tests.studio.bench import SINGLE, TOPICS, Bench, partly_labelled, stories, until

# Label Studio only stores the labels here, so a second database would show nothing new.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(tuned_settings: dict[str, object]) -> dict[str, object]:
    return tuned_settings


def test_killed_in_a_deep_round_it_finishes_after_the_next_start(bench: Bench) -> None:
    """SIGKILL of the whole backend while the trainer fine-tunes: no label is missing afterwards,
    the round is done again, and what is served is whole and in Label Studio."""
    project = bench.connected(partly_labelled(stories(60), 15))
    labelled = label(bench, project, 5)
    until("the deep round's start", lambda: "tune (encoder 1) is queued" in log_of(bench))
    bench.server.kill()
    unseen = bench.studio.of(project).next_task()
    assert unseen is not None, "annotators go on while the backend is down"
    bench.submit(unseen, [unseen["data"]["topic"]])

    bench.server.start()
    bench.server.wait_until_up()
    labelled.add(unseen["id"])
    until("all labels", lambda: bench.labels_known(project) == labelled)
    until("the deep round's version", lambda: bench.served(project).startswith("1."), 180)
    assert bench.labels_known(project) == labelled
    version = bench.served(project)
    until(
        "Label Studio serving it",
        lambda: bench.studio.of(project).describe()["model_version"] == bench.served(project),
    )
    rows = [
        row for row in bench.studio.of(project).predictions() if row["model_version"] == version
    ]
    assert len(rows) == 39, "the version holds a prediction for each of the 60 - 21 open tasks"


def test_killed_trainer_is_started_again_and_nobody_notices(bench: Bench) -> None:
    # Enough for two different topics.
    project = bench.connected(partly_labelled(stories(60), 8))
    queued = log_of(bench).count(f"project {project}: tune")
    body = {"action": "START_TRAINING", "project": {"id": project}}
    answer = requests.post(f"{bench.server.url}/webhook", json=body, timeout=10)
    assert answer.status_code == 201
    until("the training", lambda: log_of(bench).count(f"project {project}: tune") > queued)
    os.kill(trainer_of(bench), signal.SIGKILL)
    until("the deep round's version", lambda: bench.served(project).startswith("1."), 180)
    assert "trainer died" in log_of(bench)


def test_another_question_in_the_middle_of_a_deep_round(bench: Bench) -> None:
    """Several labels instead of one, one renamed, one new, another data key: labels that are still
    choices are learnt under the new interface, the others wait until theirs is back."""
    tasks = [{**task, "text": task["story"]} for task in stories(60)]
    project = bench.connected(partly_labelled(tasks, 15))
    label(bench, project, 5)
    by_topic: dict[int, str] = {
        task["id"]: task["data"]["topic"]
        for task in bench.studio.of(project).tasks()
        if task["annotations"]
    }
    until("the deep round's start", lambda: f"project {project}: tune" in log_of(bench))
    changed = (
        SINGLE.replace('choice="single"', 'choice="multiple"')
        .replace('<Choice value="tech"/>', '<Choice value="technology"/><Choice value="weather"/>')
        .replace("$story", "$text")
    )
    bench.studio.of(project).update(label_config=changed)
    until("the deep round's version", lambda: bench.served(project) >= "1.", 180)

    kept = {task for task, topic in by_topic.items() if topic != "tech"}
    until("the labels that are left", lambda: bench.labels_known(project) == kept)
    version = bench.version(project)
    assert version is not None and version.head is not None
    assert version.head.kind == "multiple"
    assert set(version.head.labels) == {*TOPICS, "technology", "weather"} - {"tech"}
    bench.studio.of(project).update(label_config=SINGLE)
    until("all labels", lambda: bench.labels_known(project) == set(by_topic))
    assert bench.state(project)["trouble"] is None


def label(bench: Bench, project: int, count: int) -> set[int]:
    """Label so many more tasks. Returns all that are labelled then, and learnt."""
    for _ in range(count):
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [task["data"]["topic"]])
    labelled = {task["id"] for task in bench.studio.of(project).tasks() if task["annotations"]}
    until("the labels", lambda: bench.labels_known(project) == labelled)
    return labelled


def log_of(bench: Bench) -> str:
    return bench.server.log.read_text(errors="replace")


def trainer_of(bench: Bench) -> int:
    """The process of the backend's group that runs backend.trainer.worker."""
    group = bench.server.pid()
    for entry in Path("/proc").iterdir():
        ours = entry.name.isdigit() and _group_of(int(entry.name)) == group
        if ours and b"backend.trainer.worker" in (entry / "cmdline").read_bytes():
            return int(entry.name)
    raise AssertionError("no trainer runs")


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
