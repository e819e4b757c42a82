"""What others say of tasks: predictions of two other programs, and a field of the data."""

import pytest

from backend.types import Json
from tests.studio.bench import TOPICS, Bench, choices, stories, until

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

STORIES = 60
LABELS = 30


def tagged(story: Json, number: int) -> Json:
    """Most uploaders tag rightly, some in words of their own, some not at all."""
    tags: list[object] = [story["topic"].upper(), ["Bulletin", story["topic"]], None]
    return {**story, "tags": tags[number % 3]}


def predictions(tasks: dict[int, Json], version: str, topics: dict[int, str]) -> list[Json]:
    return [
        {"task": task, "result": choices([topics[task]]), "score": 0.9, "model_version": version}
        for task in tasks
    ]


def sources(bench: Bench, project: int) -> dict[str, Json]:
    """What the status page shows of each source."""
    return {one["name"]: one for one in bench.state(project)["sources"]}


def test_sources_are_weighed_by_what_people_label(bench: Bench) -> None:
    project = bench.connected([tagged(one, place) for place, one in enumerate(stories(STORIES))])
    studio = bench.studio.of(project)
    tasks = {task["id"]: task["data"] for task in studio.tasks()}
    turned = {task: TOPICS[place % 5] for place, task in enumerate(tasks)}
    rules = {
        task: turned[task] if place % 5 == 0 else data["topic"]
        for place, (task, data) in enumerate(tasks.items())
    }
    studio.import_predictions(predictions(tasks, "rules", rules))
    studio.import_predictions(predictions(tasks, "turns", turned))

    def are_read() -> bool:
        return sources(bench, project).keys() == {"rules", "turns", "tags"}

    until("all sources", are_read)
    before = sources(bench, project)
    assert {name: (one["votes"], one["compared"]) for name, one in before.items()} == {
        "rules": (STORIES, 0),
        "turns": (STORIES, 0),
        "tags": (2 * STORIES // 3, 0),
    }
    reasons = {one["reason"]: one["tasks"] for one in bench.state(project)["not_learnt"]}
    assert reasons == {"weak labels of 'tags': 'Bulletin' is not among the labels": STORIES // 3}

    labelled = list(tasks)[:LABELS]
    for task in labelled:
        bench.submit({"id": task}, [tasks[task]["topic"]])
    until("all labels", lambda: bench.labels_known(project) == set(labelled))
    found = sources(bench, project)
    right = sum(rules[task] == tasks[task]["topic"] for task in labelled)
    assert found["rules"]["compared"] == LABELS
    assert found["rules"]["precision"]["value"] == pytest.approx(right / LABELS)
    assert found["tags"]["precision"]["value"] == 1.0
    assert found["tags"]["weight"] > 0.2
    assert found["rules"]["weight"] > 0.1
    assert found["turns"]["weight"] < 0.05
    assert bench.state(project)["labels"] == LABELS, "no vote counts as a label"

    copied = {task: tasks[task] for task in labelled}
    topics = {task: data["topic"] for task, data in copied.items()}
    studio.import_predictions(predictions(copied, "copier", topics))
    until("the copier", lambda: "copier" in sources(bench, project))
    copier = sources(bench, project)["copier"]
    assert (copier["compared"], copier["late"], copier["precision"]) == (0, LABELS, None)

    studio.delete_model_version("rules")
    until("no more rules", lambda: "rules" not in sources(bench, project))
