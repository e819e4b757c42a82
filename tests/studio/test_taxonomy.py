"""A taxonomy: several nodes a task, learnt once people gave them or by what they are called."""

import pytest

from backend.types import Json
from tests.studio.bench import TOPICS, Bench, stories

PATHS = {
    "business": ["News", "Money"],
    "politics": ["News", "State"],
    "tech": ["News", "Machines"],
    "sports": ["Free time", "Sports"],
    "entertainment": ["Free time", "Shows"],
}
TREE = (
    '<View><Text name="text" value="$story"/><Taxonomy name="topic" toName="text" required="true">'
    + "".join(
        f'<Choice value="{root}">'
        + "".join(f'<Choice value="{leaf}"/>' for top, leaf in PATHS.values() if top == root)
        + "".join(f'<Choice value="{root} {number}"/>' for number in range(100))
        + "".join(f'<Choice value="{number}"/>' for number in range(100))
        + "</Choice>"
        for root in ("News", "Free time")
    )
    + "</Taxonomy></View>"
)


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    return {"deep_rounds": "yes", "deep_round_first": 30, "max_tokens": 32}


def submit(bench: Bench, task: Json) -> None:
    path = PATHS[task["data"]["topic"]]
    region = {"from_name": "topic", "to_name": "text", "type": "taxonomy"}
    bench.studio.annotate(task["id"], [{**region, "value": {"taxonomy": [path]}}])


# Where Label Studio keeps the labels makes no difference here.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nodes_are_learnt_as_they_are_given_and_come_back_as_paths(bench: Bench) -> None:
    assert set(PATHS) == set(TOPICS)
    project = bench.connected(stories(300), TREE)
    for _ in range(30):
        task = bench.studio.of(project).next_task()
        assert task is not None
        submit(bench, task)
        last = task["id"]
    bench.until_learnt(project, last)
    version = bench.until_tuned(project)
    assert version.head is not None
    nodes = {"News", "Free time", *(" / ".join(path) for path in PATHS.values())}
    known = set(version.head.labels)
    assert nodes <= known
    assert len(known) == 207, "of 407 nodes those that somebody gave, and those with a name"
    right = stray = 0
    for prediction in bench.studio.of(project).predictions():
        if prediction["model_version"] == version.name and prediction["result"]:
            assert prediction["result"][0]["type"] == "taxonomy"
            paths = prediction["result"][0]["value"]["taxonomy"]
            stray += not all(" / ".join(path) in nodes for path in paths)
            right += len(paths[0]) == 2
    assert right > 10, "leaves are pre-annotated"
    assert stray < right / 10, "what nobody gave is hardly ever pre-annotated for its name alone"
