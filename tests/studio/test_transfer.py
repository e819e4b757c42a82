"""A new project begins with what an earlier one learnt, on the real server."""

import pytest

from backend.dev import local
from model.storage.earlier import verdict_of
from model.storage.store import Store
from tests.studio.bench import Bench, partly_labelled, stories, until
from tests.studio.command import Done, command

# All of it happens in our own files; Label Studio's database makes no difference to it.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(tuned_settings: dict[str, object]) -> dict[str, object]:
    return tuned_settings


def test_a_project_begins_with_an_earlier_one_and_its_deep_rounds_do(bench: Bench) -> None:
    """Before the first label its tasks are in order and carry answers of the earlier head. After
    twenty, labels say that the earlier encoder helps, and the deep round begins with it."""
    earlier = bench.connected(partly_labelled(stories(60), 40))
    bench.until_tuned(earlier)

    project = bench.project(stories(100)[60:])
    said = connect(bench, project, "--from", str(earlier))
    begins = (
        f"Begins with project {earlier}'s encoder 1, tuned on 40 labels, and with its head of 5"
    )
    assert begins in said.out, said.err
    until("all tasks in the order", lambda: bench.ranks(project) == 40)
    assert bench.state(project)["beginning"].startswith(begins)
    assert bench.served(project).startswith("0.")
    _, is_lowest = bench.next_in_order(project)
    assert is_lowest
    topics = {task["id"]: task["data"]["topic"] for task in bench.studio.of(project).tasks()}
    shown = [row for row in bench.studio.of(project).predictions() if row["result"]]
    right = [row for row in shown if row["result"][0]["value"]["choices"] == [topics[row["task"]]]]
    assert len(right) > 10, "answers before the first label"
    assert len(right) > 0.6 * len(shown), "of five topics, by an encoder of one layer"

    again = connect(bench, project, "--from", str(earlier))
    assert again.status == 2
    assert f"Project {project} has an encoder already" in again.err

    for _ in range(20):
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [task["data"]["topic"]])
    store = Store(bench.models / str(project))
    verdict = until("what labels say of the earlier encoder", lambda: verdict_of(store))
    assert verdict.stays, "it was tuned on the same labels"
    tuned = bench.until_tuned(project)
    assert store.encoders()[tuned.encoder].earlier == f"project {earlier}'s encoder 1"
    (source,) = bench.state(project)["sources"]
    assert source["name"] == f"project {earlier}"
    assert source["weight"] > 0.1, "the labels bear its head out"
    assert bench.state(project)["trouble"] is None


def connect(bench: Bench, project: int, *options: str) -> Done:
    """What `python -m backend connect` does, with the server's settings."""
    environ = {
        "LABEL_STUDIO_URL": bench.studio.url,
        "LABEL_STUDIO_API_KEY": local.TOKEN,
        "MODEL_DIR": str(bench.models),
        **{name.upper(): str(value) for name, value in bench.settings.items()},
    }
    words = ("connect", "--project", str(project), "--backend-url", bench.server.url, *options)
    return command(*words, environ=environ)
