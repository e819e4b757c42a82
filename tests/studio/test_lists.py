"""Lists that each task has of its own, in a real Label Studio."""

import pytest
import requests

from backend.types import Json
from tests.studio.bench import Bench, partly_labelled, stories, until

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

WHICH = (
    '<View><Text name="asked" value="$asked"/>'
    '<Choices name="which" toName="asked" value="$options" required="true"/></View>'
)
ORDER = (
    '<View><Text name="asked" value="$asked"/><List name="stories" value="$options"/>'
    '<Ranker name="order" toName="stories"/></View>'
)
WORTH = {"sports": 3, "tech": 2, "politics": 1}


def lists_of_stories(count: int, size: int, **names: str) -> list[Json]:
    """Each with `size` stories, of which one is about sports, and what it is worth under `worth`.
    names: of an option's keys."""
    told = stories(10 * count * size)
    sports = [one for one in told if one["topic"] == "sports"]
    others = [one for one in told if one["topic"] != "sports"]
    tasks = []
    for number in range(count):
        mine = [others.pop() for _ in range(size - 1)]
        mine.insert(number % size, sports.pop())
        options = [
            {names["name"]: f"s{place}", names["text"]: one["story"][:400]}
            for place, one in enumerate(mine)
        ]
        worth = [WORTH.get(one["topic"], 0) for one in mine]
        tasks.append({"asked": "Which is about sports?", "options": options, "worth": worth})
    return tasks


def sporty(task: Json) -> list[Json]:
    """As Label Studio's page saves it."""
    value = {"choices": [task["options"][task["worth"].index(3)]["alias"]]}
    return [{"from_name": "which", "to_name": "asked", "type": "choices", "value": value}]


def ordered(task: Json) -> list[Json]:
    """As Label Studio's page saves it."""
    places = sorted(range(len(task["worth"])), key=lambda place: -task["worth"][place])
    value = {"ranker": {"order": [task["options"][place]["id"] for place in places]}}
    return [{"from_name": "order", "to_name": "stories", "type": "ranker", "value": value}]


def test_a_choice_among_a_tasks_own_texts_is_learnt_and_pre_annotated(bench: Bench) -> None:
    tasks = lists_of_stories(140, 4, name="alias", text="value")
    project = bench.connected(partly_labelled(tasks, 60, sporty), WHICH)
    for _ in range(3):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order
        bench.studio.annotate(task["id"], sporty(task["data"]))
        bench.until_learnt(project, task["id"])
    found = pre_annotations(bench, project)
    right = [region["value"] == sporty(data)[0]["value"] for data, region in found]
    assert len(right) > 20
    assert sum(right) / len(right) > 0.75


def test_the_order_of_a_list_is_learnt_and_pre_annotated(bench: Bench) -> None:
    tasks = lists_of_stories(120, 3, name="id", text="body")
    project = bench.connected(partly_labelled(tasks, 60, ordered), ORDER)
    task, is_in_order = bench.next_in_order(project)
    assert is_in_order
    bench.studio.annotate(task["id"], ordered(task["data"]))
    bench.until_learnt(project, task["id"])
    found = pre_annotations(bench, project)
    assert len(found) > 20
    ranked = [(data, region["value"]["ranker"]["order"]) for data, region in found]
    assert all(sorted(order) == ["s0", "s1", "s2"] for _, order in ranked)
    first = [data["options"][data["worth"].index(3)]["id"] == order[0] for data, order in ranked]
    assert sum(first) / len(first) > 0.75
    until("a measured version", lambda: bench.state(project)["measured"])
    assert bench.state(project)["metric"] == "share of pairs in the right order"
    url = f"{bench.server.url}/status/{project}"
    for page in ("", "/map", "/map.json", f"/tasks.json?ids={task['id']}"):
        answer = requests.get(f"{url}{page}", timeout=60)
        assert answer.status_code == 200, (page, answer.text)


def pre_annotations(bench: Bench, project: int) -> list[tuple[Json, Json]]:
    """Of the served version, each with the data of its task."""
    data = {task["id"]: task["data"] for task in bench.studio.of(project).tasks()}

    def regions() -> list[tuple[Json, Json]]:
        served = bench.served(project)
        return [
            (data[row["task"]], region)
            for row in bench.studio.of(project).predictions()
            if row["model_version"] == served
            for region in row["result"]
        ]

    return until("pre-annotations", regions)
