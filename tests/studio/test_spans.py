"""Named spans: <Labels> over <Text>, learnt from what people marked and marked beforehand."""

import re

import pytest
import requests

from backend.annotations import Json
from backend.interface import parse
from tests.studio.bench import Bench, stories

INTERFACE = (
    '<View><Labels name="entity" toName="text"><Label value="amount"/><Label value="name"/>'
    '</Labels><Text name="text" value="$story"/></View>'
)
PATTERNS = {
    "amount": r"[£$]?\d[\d.,]*(?:bn|m|%)?",
    "name": r"\b[A-Z][a-z]+ [A-Z][a-z]+\b",
}


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    return {"deep_rounds": "yes", "deep_round_first": 25, "max_tokens": 64}


def marked(text: str) -> list[Json]:
    """What an annotator marks, as Label Studio's page sends it."""
    return [
        {
            "from_name": "entity",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": found.start(),
                "end": found.end(),
                "text": found[0],
                "labels": [label],
            },
        }
        for label, pattern in PATTERNS.items()
        for found in re.finditer(pattern, text)
    ]


# Where Label Studio keeps the labels makes no difference here.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_spans_are_learnt_and_marked_beforehand(bench: Bench) -> None:
    assert parse(INTERFACE).kind == "spans"
    project = bench.connected(stories(120), INTERFACE)
    for _ in range(32):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order, "the order is the model's"
        bench.studio.annotate(task["id"], marked(task["data"]["story"]))
        bench.until_learnt(project, task["id"])
    version = bench.until_tuned(project)
    assert version.head is not None
    assert version.head.labels == ("O", "B-amount", "I-amount", "B-name", "I-name")
    assert 0.0 < version.meta["validation"]["micro_f1"]["value"] <= 1.0
    texts = {task["id"]: task["data"]["story"] for task in bench.studio.tasks(project)}
    right = claimed = 0
    for prediction in bench.studio.predictions(project):
        if prediction["model_version"] != version.name:
            continue
        text = texts[prediction["task"]]
        true = {(one["value"]["start"], one["value"]["end"]) for one in marked(text)}
        for region in prediction["result"]:
            value = region["value"]
            assert value["text"] == text[value["start"] : value["end"]]
            assert set(value["labels"]) <= set(PATTERNS)
            claimed += 1
            right += (value["start"], value["end"]) in true
    assert right > claimed / 2 > 10
    asked: Json = {"id": 10**6, "data": {"story": "Tony Blair spent $500 on it."}}
    answer = requests.post(
        f"{bench.server.url}/predict",
        json={"tasks": [asked], "project": f"{project}.1", "label_config": INTERFACE},
        timeout=60,
    ).json()
    (on_demand,) = answer["results"]
    assert on_demand["score"] >= 0.5, "it never jumps the queue"
    for region in on_demand["result"]:
        value = region["value"]
        assert value["text"] == asked["data"]["story"][value["start"] : value["end"]]
    assert on_demand["result"], "a text that came just now"
    assert set(bench.state(project)["by_label"]) == set(PATTERNS)
    assert bench.state(project)["trouble"] is None


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_text_without_spans_is_an_answer(bench: Bench) -> None:
    project = bench.connected(stories(30), INTERFACE)
    task = bench.studio.next_task(project)
    assert task is not None
    bench.studio.annotate(task["id"], [])
    bench.until_learnt(project, task["id"])
