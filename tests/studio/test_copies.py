"""Near copies: found, asked once, and what people said of one proposed for the others, or counted:
on a real Label Studio."""

import numpy as np
import pytest
import requests

from backend.types import Json
from model.choosing.audit import in_reserve
from tests.studio.bench import Bench, stories, until

# What is asked for first is in our own files; the database makes no difference to it.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

SHARE, SEED = 0.1, 0
TEXTS, COPIES = 10, 6


@pytest.fixture(scope="module")
def backend_settings(ordered_settings: dict[str, object]) -> dict[str, object]:
    return ordered_settings


def copies_of(story: Json) -> list[Json]:
    """The story as it is imported again and again."""
    text = str(story["story"])
    forms = (text, text.upper(), f'"{text}"', text.replace(" ", "  "), f"{text} !", f"{text} more")
    return [{**story, "story": form} for form in forms]


class Copied:
    """A project of nothing but near copies, all of which are found: all texts, then all of them
    again in another form."""

    def __init__(self, bench: Bench) -> None:
        forms = [copies_of(story) for story in stories(TEXTS)]
        tasks = [forms[text][form] for form in range(COPIES) for text in range(TEXTS)]
        self.bench, self.number = bench, bench.connected(tasks)
        self.tasks = {task["id"]: task for task in bench.studio.of(self.number).tasks()}
        self.texts = {task: place % TEXTS for place, task in enumerate(sorted(self.tasks))}
        until("all copies", lambda: self.found().get("groups") == TEXTS)
        until("an order that knows them", self.is_known)

    def found(self) -> Json:
        """What the status page says of the copies."""
        found: Json = self.bench.state(self.number)["near_copies"] or {}
        return found

    def is_known(self) -> bool:
        """Whether the first TEXTS tasks of the order, without audit tasks, are no copies."""
        order = self.bench.followed(self.number).shortlist
        first = order[~in_reserve(order, SHARE, SEED)][:TEXTS].tolist()
        return len({self.texts[task] for task in first}) == TEXTS

    def label_next(self) -> int:
        """Label the task that is served, and wait for a version that knows it, or until no task is
        open, when no version is made."""
        task, is_lowest = self.bench.next_in_order(self.number)
        assert is_lowest
        self.bench.submit(task, [task["data"]["topic"]])
        until("no task left", lambda: self.is_learnt(task["id"]))
        return int(task["id"])

    def is_learnt(self, task: int) -> bool:
        bench = self.bench
        if bench.state(self.number)["open_tasks"] == 0:
            return True
        return task in bench.labels_known(self.number) and bench.is_switched(self.number)

    def label_each_text_once(self) -> list[int]:
        """The tasks that were asked for until each text has a label."""
        asked: list[int] = []
        while {self.texts[task] for task in asked} != set(range(TEXTS)):
            asked.append(self.label_next())
        return asked


def is_audit(task: int) -> bool:
    return bool(in_reserve(np.array([task]), SHARE, SEED)[0])


def topics_in(result: list[Json]) -> list[str]:
    return [topic for region in result for topic in region["value"]["choices"]]


def test_copies_are_asked_for_once_and_the_answer_is_proposed(bench: Bench) -> None:
    """Ten texts in six copies each cost ten labels, and one for each audit task that is due."""
    copied = Copied(bench)
    found = copied.found()
    assert (found["tasks"], found["groups"], found["counted"]) == (TEXTS * COPIES, TEXTS, 0)
    assert {(one["size"], one["answer"]) for one in found["largest"]} == {(COPIES, None)}

    asked = copied.label_each_text_once()
    chosen = [copied.texts[task] for task in asked if not is_audit(task)]
    assert len(set(chosen)) == len(chosen), "no text was asked for twice but by lot"
    assert len(asked) <= TEXTS + 2, "one audit task in ten"
    until("the proposals", lambda: all(one["like"] for one in copied.found()["largest"]))
    assert f"{TEXTS} groups have an answer" in copied.found()["sentence"]

    version = bench.followed(copied.number)
    assert "copy" in version.facts.why
    predictions = {
        row["task"]: row["result"]
        for row in bench.studio.of(copied.number).predictions()
        if row["model_version"] == version.name
    }
    rest = [task for task in copied.tasks if task not in asked]
    assert sorted(predictions) == rest
    for task in rest:
        assert topics_in(predictions[task]) == [copied.tasks[task]["data"]["topic"]]
    answer = requests.post(
        f"{bench.server.url}/predict",
        json={"tasks": [copied.tasks[rest[0]]], "project": f"{copied.number}.1"},
        timeout=30,
    )
    (prediction,) = answer.json()["results"]
    assert topics_in(prediction["result"]) == [copied.tasks[rest[0]]["data"]["topic"]]
    assert prediction["score"] == 1.0


def test_copies_with_different_answers_are_shown(bench: Bench) -> None:
    copied = Copied(bench)
    first, second, *_ = (task for task in sorted(copied.tasks) if copied.texts[task] == 0)
    for task, topic in ((first, "tech"), (second, "sports")):
        bench.submit(copied.tasks[task], [topic])
        bench.until_learnt(copied.number, task)
    until("the pair", lambda: copied.found()["disagreeing"] == [[first, second]])
    page = requests.get(f"{bench.server.url}/status/{copied.number}", timeout=30).text
    assert "In 1 group people gave different answers" in page
